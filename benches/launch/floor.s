# The floor: the least that a daemonizer can do. `floor PATH [ARG]...`
#
# One process more, a session, the root directory, an empty umask, /dev/null on the standard streams, and execve. The
# parent has lent its memory: a child that is unable to execute PATH takes the number of words away, which says so.

.intel_syntax noprefix
.globl _start

.macro call number
    mov eax, \number
    syscall
.endm

_start:
    call 58                     # vfork
    test eax, eax
    jnz parent

    call 112                    # setsid
    lea rdi, slash[rip]
    call 80                     # chdir
    xor edi, edi
    call 95                     # umask
    lea rdi, null[rip]
    mov esi, 0x80002            # O_RDWR | O_CLOEXEC
    call 2                      # open
    mov edi, eax
    xor esi, esi
    call 33                     # dup2, three times
    inc esi
    call 33
    inc esi
    call 33
    mov rdi, [rsp + 16]         # words[1]
    lea rsi, [rsp + 16]         # words[1..]
    mov rax, [rsp]
    lea rdx, [rsp + 8 * rax + 16]
    call 59                     # execve
    mov qword ptr [rsp], 0
    mov edi, 127
    call 60                     # exit

parent:
    xor edi, edi
    cmp qword ptr [rsp], 1
    jae end
    mov edi, 127
end:
    call 231                    # exit_group

null:
    .asciz "/dev/null"
slash:
    .asciz "/"

.section .note.GNU-stack, "", @progbits
