/* Vectors and start-up code of a Cortex-M4F without an operating system. Output
 * and exit status go to the debugger or the emulator by semihosting, which is
 * the C library's librdimon. */
#include <stdint.h>
#include <stdlib.h>

extern uint32_t data_load[], data_start[], data_end[], bss_start[], bss_end[], stack_top[];

extern void initialise_monitor_handles(void);
extern int main(void);

static void fault(void)
{
    /* Ends the emulator with an error status. */
    _Exit(2);
}

void reset(void)
{
    /* Full access to the floating-point coprocessors, CP10 and CP11. */
    volatile uint32_t *const cpacr = (volatile uint32_t *)0xE000ED88u;
    *cpacr |= 0xFu << 20;
    __asm__ volatile("dsb\n isb" ::: "memory");

    uint32_t *from = data_load;
    for (uint32_t *to = data_start; to < data_end;)
        *to++ = *from++;
    for (uint32_t *to = bss_start; to < bss_end;)
        *to++ = 0;

    initialise_monitor_handles();
    exit(main());
}

/* The initial stack pointer and the handlers of the core's exceptions. */
__attribute__((section(".vectors"), used)) static const struct {
    uint32_t *stack;
    void (*handlers[15])(void);
} vectors = {stack_top, {reset, fault, fault, fault, fault, fault}};
