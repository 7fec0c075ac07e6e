# Completion of bgexec for bash. Made by `cargo run --example generate` from the option table.

# The words that complete $2, the value of option $1.
_bgexec_value() {
    case $1 in
    -c | --chdir | --chroot)
        compgen -d -- "$2"
        ;;
    -i | --stdin | -o | --stdout | -e | --stderr | -O | --output | -p | --pidfile | -l | --lockfile | --child-pidfile | --supervisor-pidfile)
        compgen -f -- "$2"
        ;;
    --unset)
        compgen -e -- "$2"
        ;;
    -u | --user)
        compgen -u -- "$2"
        ;;
    -g | --group | --groups)
        compgen -g -- "$2"
        ;;
    --notify)
        compgen -W 'fd: socket' -- "$2"
        ;;
    -s | --signal | --ignore-signal)
        compgen -W 'ABRT ALRM CHLD CONT HUP INT KILL PIPE QUIT STOP TERM TSTP TTIN TTOU USR1 USR2 WINCH' -- "$2"
        ;;
    --retry)
        compgen -W TERM/30/KILL/5 -- "$2"
        ;;
    -I | --iosched)
        compgen -W 'realtime best-effort idle' -- "$2"
        ;;
    --rlimit)
        compgen -S = -W 'AS CORE CPU DATA FSIZE LOCKS MEMLOCK MSGQUEUE NICE NOFILE NPROC RSS RTPRIO RTTIME SIGPENDING STACK' -- "$2"
        ;;
    esac
}

_bgexec() {
    local current=${COMP_WORDS[COMP_CWORD]} index=1 option='' word
    local names='
    -c --chdir -k --umask --argv0 -i --stdin -o --stdout -e --stderr -O --output --truncate -E
    --env --unset --clear-env -u --user -g --group --groups -p --pidfile -l --lockfile --oknodo
    -F --foreground -w --wait --init --notify --notify-timeout --alive-after -r --restart -R
    --restart-delay -C --restart-count -H --sighup --child-pidfile --supervisor-pidfile -K
    --stop -s --signal --retry --process-group -T --status -N --nicelevel -I --iosched
    --oom-score-adj --rlimit --chroot --no-new-privs --session-leader --ctty --keep-fd
    --no-close --keep-signals --ignore-signal --print-pid -v --verbose -q --quiet -h --help -V
    --version -a --append -b --background --fork -f --close-fds -m --make-pidfile'
    COMPREPLY=()

    # What the words before the cursor say: option is the one that waits for its value.
    while ((index < COMP_CWORD)); do
        word=${COMP_WORDS[index]}
        if [[ $option && $word == = ]]; then
            # readline takes --name=value for three words
            ((index++))
            continue
        elif [[ $option ]]; then
            option=''
            ((index++))
            continue
        fi
        case $word in
        --)
            ((index++))
            break
            ;;
        --chdir | --umask | --argv0 | --stdin | --stdout | --stderr | --output | --env | --unset | --user | --group | --groups | --pidfile | --lockfile | --notify | --notify-timeout | --alive-after | --restart-delay | --restart-count | --child-pidfile | --supervisor-pidfile | --signal | --retry | --nicelevel | --iosched | --oom-score-adj | --rlimit | --chroot | --keep-fd | --ignore-signal)
            option=$word
            ;;
        --*) ;;
        -?*)
            # Of grouped letters the first that takes a value takes all that follows, or the next word.
            word=${word#-}
            while [[ $word ]]; do
                if [[ ${word:0:1} == [ckioeOEugplRCsNI] ]]; then
                    [[ ${#word} -eq 1 ]] && option=-$word
                    break
                fi
                word=${word:1}
            done
            ;;
        *)
            break
            ;;
        esac
        ((index++))
    done

    if ((index < COMP_CWORD)); then
        if declare -F _command_offset > /dev/null; then
            _command_offset "$index"
        else
            mapfile -t COMPREPLY < <(compgen -f -- "$current")
        fi
    elif [[ $option ]]; then
        [[ $current == = ]] && current=''
        mapfile -t COMPREPLY < <(_bgexec_value "$option" "$current")
    elif [[ $current == -* && ${COMP_WORDS[COMP_CWORD - 1]} != -- ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$names" -- "$current")
    else
        mapfile -t COMPREPLY < <(compgen -c -- "$current")
    fi
} && complete -o filenames -o bashdefault -F _bgexec bgexec
