// SPDX-License-Identifier: BSD-3-Clause
// A UART's registers on this machine. The drivers are compiled as C++, so that a register is an
// object that tells the model whether it is read or written.
#ifndef DREDKIT_TESTS_MODEL_H
#define DREDKIT_TESTS_MODEL_H

#include <cstdint>

// The device: uarte.cpp or fifo.cpp. model_access comes before each read or write, and alone where
// the driver reads a register for nothing but the time that it takes.
void model_access();
uint32_t model_read(uint32_t address);
void model_write(uint32_t address, uint32_t value);

// A byte has come in on the wire. Returns false if the device had no room for it.
bool model_receive(uint8_t byte);

// Whether the device asks for an interrupt.
bool model_interrupts();

// Take a byte that has gone out on the wire; -1 if there is none.
int model_sent();

// The rate that the driver has set, in bits a second, with a clock of `clock` Hz.
double model_rate(double clock);

class Register
{
  public:
    explicit Register(uint32_t address) : address(address)
    {
        model_access();
    }
    operator uint32_t() const
    {
        return model_read(address);
    }
    void operator=(uint32_t value) const
    {
        model_write(address, value);
    }
    void operator|=(uint32_t bits) const
    {
        model_write(address, model_read(address) | bits);
    }

  private:
    uint32_t address;
};
#define DK_REG(address) (Register((uint32_t)(address)))
#define _Noreturn [[noreturn]]

#endif
