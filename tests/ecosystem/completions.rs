//! The completions, each loaded by its shell and asked as the user asks.

use std::fs;

use bgexec::options::table::{ROWS, Row};

use super::room::{Room, run, stderr, stdout};
use super::{contrib, has};

/// What a line is completed to, or some of what is offered.
const QUESTIONS: [(&str, &str); 9] = [
    ("bgexec --chd", "--chdir"),
    ("bgexec -v --keep-s", "--keep-signals"),
    ("bgexec -c here/di", "here/directory"),
    ("bgexec -p here/fi", "here/file"),
    ("bgexec -bfmp here/fi", "here/file"),
    ("bgexec -I best", "best-effort"),
    ("bgexec --ignore-signal WIN", "WINCH"),
    ("bgexec -p here/file -- cat here/fi", "here/file"),
    ("bgexec -k 022 nohu", "nohup"),
];

/// A directory with something to complete.
fn room() -> Room {
    let room = Room::new();
    fs::create_dir_all(room.path().join("here/directory")).expect("the room is ours");
    fs::write(room.path().join("here/file"), "").expect("the room is ours");
    room
}

/// Asks a shell by a script that prints what is offered for the line in `$LINE`, a word a line.
fn offers(room: &Room, shell: &str, options: &[&str], script: &str, line: &str) -> Vec<String> {
    let mut command = room.command(shell);
    command.args(options).arg("-c").arg(script).env("LINE", line).env("HOME", room.path());
    let offered = run(&mut command);
    assert_eq!(stderr(&offered), "", "{line}");
    stdout(&offered).lines().map(str::to_owned).collect()
}

/// The questions, and that every option is offered.
fn examine(asks: impl Fn(&str) -> Vec<String>) {
    for (line, answer) in QUESTIONS {
        let offered = asks(line);
        let answers = |word: &String| word.trim_end_matches('/') == answer;
        assert!(offered.iter().any(answers), "{line}: {offered:?}");
    }
    let offered = asks("bgexec --");
    for row in ROWS {
        assert!(offered.contains(&format!("--{}", row.long)), "--{}: {offered:?}", row.long);
    }
}

#[test]
fn bash_completes() {
    if !has("bash") {
        return;
    }
    let room = room();
    let script = format!(
        ". '{}' && [[ $(complete -p bgexec) == *'-F _bgexec bgexec' ]] &&
         read -ra COMP_WORDS <<< \"$LINE\" && COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)) &&
         _bgexec && printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        contrib("completions/bgexec.bash").display()
    );
    let asks = |line: &str| offers(&room, "bash", &["--norc", "--noprofile"], &script, line);
    examine(asks);
    // readline takes them apart.
    assert_eq!(asks("bgexec --chdir = here/"), ["here/directory"]);
    assert_eq!(asks("bgexec --iosched ="), ["realtime", "best-effort", "idle"]);
}

#[test]
fn fish_completes() {
    if !has("fish") {
        return;
    }
    let room = room();
    let script = format!(
        "source '{}'; and complete -C $LINE | string replace -r '\\t.*' ''",
        contrib("completions/bgexec.fish").display()
    );
    examine(|line| offers(&room, "fish", &["--no-config"], &script, line));
}

/// An interactive zsh on a terminal of zsh's own; a tab, and then a key that writes down what the line has become.
#[test]
fn zsh_completes() {
    if !has("zsh") {
        return;
    }
    let room = room();
    let script = "
        zmodload zsh/zpty
        TERM=dumb zpty line zsh -f -i
        zpty -w line \"PS1= RPS1= fpath=($COMPLETIONS \\$fpath) && autoload -U compinit && compinit -u -D\"
        zpty -w line 'unsetopt list_beep auto_list auto_menu'
        zpty -w line 'show() { print -r -- \"$BUFFER\" > answer.new && mv answer.new answer && BUFFER=; }'
        zpty -w line 'zle -N show && bindkey \"^O\" show && bindkey \"^I\" complete-word && : > ready'
        until [[ -e ready ]]; do sleep 0.01; done
        while read -r question; do
            rm -f answer
            zpty -n -w line \"$question\"$'\\t\\x0f'
            until [[ -e answer ]]; do zpty -r -t line drained; sleep 0.01; done
            cat answer
        done
        zpty -d line";
    let mut lines: Vec<(String, String)> = vec![];
    for (line, answer) in QUESTIONS {
        let (before, _) = line.rsplit_once(' ').expect("a line has words");
        lines.push((line.to_owned(), format!("{before} {answer}")));
    }
    for row in ROWS {
        let short = &row.long[..row.long.len() - 1];
        let decided = |other: &Row| !other.long.starts_with(short) || other.long.starts_with(row.long);
        if ROWS.iter().all(decided) {
            lines.push((format!("bgexec --{short}"), format!("bgexec --{}", row.long)));
        } else {
            // Whatever the last letter is; then the whole name gets what follows it.
            let after = if row.value.is_empty() { ' ' } else { '=' };
            lines.push((format!("bgexec --{}", row.long), format!("bgexec --{}{after}", row.long)));
        }
    }
    let questions: String = lines.iter().map(|(line, _)| format!("{line}\n")).collect();
    fs::write(room.path().join("questions"), questions).expect("the room is ours");
    let mut zsh = room.command("sh");
    zsh.args(["-c", "exec timeout 60 zsh -f -c \"$0\" < questions", script]);
    let completions = contrib("completions");
    let answers = run(zsh.env("COMPLETIONS", completions).env("HOME", room.path()));
    let answers: Vec<_> = stdout(&answers).lines().collect();
    assert_eq!(answers.len(), lines.len(), "{answers:?}");
    for ((line, expected), answer) in lines.iter().zip(answers) {
        assert!(answer.starts_with(expected.as_str()), "{line}: {answer}");
    }
}
