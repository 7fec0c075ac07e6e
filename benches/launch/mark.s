# The command of every launch: writes the time at which it runs to a FIFO. `mark FIFO`

.intel_syntax noprefix
.globl _start

.macro call number
    mov eax, \number
    syscall
.endm

_start:
    mov edi, 1                  # CLOCK_MONOTONIC
    lea rsi, [rsp - 16]
    call 228                    # clock_gettime
    mov rdi, [rsp + 16]         # words[1]
    mov esi, 0x801              # O_WRONLY | O_NONBLOCK
    call 2                      # open
    mov edi, eax
    lea rsi, [rsp - 16]
    mov edx, 16
    call 1                      # write
    xor edi, edi
    call 231                    # exit_group

.section .note.GNU-stack, "", @progbits
