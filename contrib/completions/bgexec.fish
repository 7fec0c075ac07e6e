# Completion of bgexec for fish. Made by `cargo run --example generate` from the option table.

# Prints COMMAND and its words before the cursor; fails if COMMAND is still to come.
function __bgexec_command
    set -l words (commandline -opc)
    set -l valued --chdir --umask --argv0 --stdin --stdout --stderr --output --env --unset --user --group --groups --pidfile --lockfile --notify --notify-timeout --alive-after --restart-delay --restart-count --child-pidfile --supervisor-pidfile --signal --retry --nicelevel --iosched --oom-score-adj --rlimit --chroot --keep-fd --ignore-signal
    set -e words[1]
    while set -q words[1]
        set -l word $words[1]
        if test "$word" = --
            set -e words[1]
            break
        else if contains -- $word $valued
            set -e words[1]
        else if string match -q -- '--*' $word
            # A flag, or a value behind its "=".
        else if string match -q -- '-?*' $word
            # Of grouped letters the first that takes a value takes all that follows, or the next word.
            if string match -qr -- '^-[^ckioeOEugplRCsNI]*[ckioeOEugplRCsNI]$' $word
                set -e words[1]
            end
        else
            break
        end
        set -e words[1]
    end
    set -q words[1]; and printf '%s\n' $words
end

complete -c bgexec -f
complete -c bgexec -n 'not __bgexec_command' -a '(__fish_complete_command)'
complete -c bgexec -n __bgexec_command -a '(complete -C (string join " " (string escape -- (__bgexec_command)) (commandline -ct)))'
complete -c bgexec -n 'not __bgexec_command' -s c -l chdir -x -a '(__fish_complete_directories (commandline -ct))' -d 'working directory'
complete -c bgexec -n 'not __bgexec_command' -s k -l umask -x -d 'file mode creation mask'
complete -c bgexec -n 'not __bgexec_command' -l argv0 -x -d 'the name that the command sees as its own'
complete -c bgexec -n 'not __bgexec_command' -s i -l stdin -r -F -d 'standard input'
complete -c bgexec -n 'not __bgexec_command' -s o -l stdout -r -F -d 'standard output'
complete -c bgexec -n 'not __bgexec_command' -s e -l stderr -r -F -d 'standard error'
complete -c bgexec -n 'not __bgexec_command' -s O -l output -r -F -d 'standard output and standard error'
complete -c bgexec -n 'not __bgexec_command' -l truncate -d 'empty the output files first'
complete -c bgexec -n 'not __bgexec_command' -s E -l env -x -d 'set an environment variable'
complete -c bgexec -n 'not __bgexec_command' -l unset -x -a '(set -nx)' -d 'remove an environment variable'
complete -c bgexec -n 'not __bgexec_command' -l clear-env -d 'remove all inherited variables'
complete -c bgexec -n 'not __bgexec_command' -s u -l user -x -a '(__fish_complete_users)' -d 'user, and group after a colon'
complete -c bgexec -n 'not __bgexec_command' -s g -l group -x -a '(__fish_complete_groups)' -d 'group'
complete -c bgexec -n 'not __bgexec_command' -l groups -x -a '(__fish_complete_list , __fish_complete_groups)' -d 'supplementary groups'
complete -c bgexec -n 'not __bgexec_command' -s p -l pidfile -r -F -d 'pidfile, locked'
complete -c bgexec -n 'not __bgexec_command' -s l -l lockfile -r -F -d 'lockfile'
complete -c bgexec -n 'not __bgexec_command' -l oknodo -d 'nothing to do is success'
complete -c bgexec -n 'not __bgexec_command' -s F -l foreground -d 'set up and execute in place: no fork, no session'
complete -c bgexec -n 'not __bgexec_command' -s w -l wait -d 'stay, pass signals on, return the command\'s status'
complete -c bgexec -n 'not __bgexec_command' -l init -d 'the same as the first process: reap all'
complete -c bgexec -n 'not __bgexec_command' -l notify -x -a 'fd: socket' -d 'wait until the command is ready'
complete -c bgexec -n 'not __bgexec_command' -l notify-timeout -x -d 'seconds to wait for readiness'
complete -c bgexec -n 'not __bgexec_command' -l alive-after -x -d 'milliseconds that the command must live'
complete -c bgexec -n 'not __bgexec_command' -s r -l restart -d 'start the command again whenever it ends'
complete -c bgexec -n 'not __bgexec_command' -s R -l restart-delay -x -d 'seconds before each new start'
complete -c bgexec -n 'not __bgexec_command' -s C -l restart-count -x -d 'how often to start it again'
complete -c bgexec -n 'not __bgexec_command' -s H -l sighup -d 'SIGHUP reopens the output files'
complete -c bgexec -n 'not __bgexec_command' -l child-pidfile -r -F -d 'pidfile of what is started again'
complete -c bgexec -n 'not __bgexec_command' -l supervisor-pidfile -r -F -d 'another name of --pidfile'
complete -c bgexec -n 'not __bgexec_command' -s K -l stop -d 'stop what holds the pidfile'
complete -c bgexec -n 'not __bgexec_command' -s s -l signal -x -a 'ABRT ALRM CHLD CONT HUP INT KILL PIPE QUIT STOP TERM TSTP TTIN TTOU USR1 USR2 WINCH' -d 'the signal to send'
complete -c bgexec -n 'not __bgexec_command' -l retry -x -a TERM/30/KILL/5 -d 'schedule of signals and seconds'
complete -c bgexec -n 'not __bgexec_command' -l process-group -d 'signal the process group'
complete -c bgexec -n 'not __bgexec_command' -s T -l status -d 'say whether the pidfile\'s daemon runs'
complete -c bgexec -n 'not __bgexec_command' -s N -l nicelevel -x -d 'niceness'
complete -c bgexec -n 'not __bgexec_command' -s I -l iosched -x -a 'realtime best-effort idle' -d 'I/O scheduling class'
complete -c bgexec -n 'not __bgexec_command' -l oom-score-adj -x -d 'out-of-memory score adjustment'
complete -c bgexec -n 'not __bgexec_command' -l rlimit -x -a 'AS= CORE= CPU= DATA= FSIZE= LOCKS= MEMLOCK= MSGQUEUE= NICE= NOFILE= NPROC= RSS= RTPRIO= RTTIME= SIGPENDING= STACK=' -d 'resource limit'
complete -c bgexec -n 'not __bgexec_command' -l chroot -x -a '(__fish_complete_directories (commandline -ct))' -d 'root directory'
complete -c bgexec -n 'not __bgexec_command' -l no-new-privs -d 'gain no privileges any more'
complete -c bgexec -n 'not __bgexec_command' -l session-leader -d 'lead the session, as a getty does'
complete -c bgexec -n 'not __bgexec_command' -l ctty -d 'make standard input the controlling terminal'
complete -c bgexec -n 'not __bgexec_command' -l keep-fd -x -d 'descriptors to leave open'
complete -c bgexec -n 'not __bgexec_command' -l no-close -d 'leave all descriptors open'
complete -c bgexec -n 'not __bgexec_command' -l keep-signals -d 'leave dispositions and mask as they were'
complete -c bgexec -n 'not __bgexec_command' -l ignore-signal -x -a 'ABRT ALRM CHLD CONT HUP INT KILL PIPE QUIT STOP TERM TSTP TTIN TTOU USR1 USR2 WINCH' -d 'signals to ignore'
complete -c bgexec -n 'not __bgexec_command' -l print-pid -d 'print the daemon\'s pid once it runs'
complete -c bgexec -n 'not __bgexec_command' -s v -l verbose -d 'a line for each step'
complete -c bgexec -n 'not __bgexec_command' -s q -l quiet -d 'errors only'
complete -c bgexec -n 'not __bgexec_command' -s h -l help -d 'print the usage text'
complete -c bgexec -n 'not __bgexec_command' -s V -l version -d 'print the version'
complete -c bgexec -n 'not __bgexec_command' -s a -l append -d 'always so'
complete -c bgexec -n 'not __bgexec_command' -s b -l background -d 'always so'
complete -c bgexec -n 'not __bgexec_command' -l fork -d 'always so'
complete -c bgexec -n 'not __bgexec_command' -s f -l close-fds -d 'always so'
complete -c bgexec -n 'not __bgexec_command' -s m -l make-pidfile -d 'always so'
