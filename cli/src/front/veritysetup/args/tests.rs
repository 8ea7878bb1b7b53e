//! Wrong invocations and what is said of them, each as the original says it.

use super::super::words;
use super::*;

fn parse_line(line: &[&str]) -> Result<Invocation, String> {
    let words: Vec<OsString> = line.iter().map(OsString::from).collect();
    parse(&words).map_err(|UsageError { option, message }| match option {
        Some(option) => format!("{}: {message}", option.display()),
        None => format!("NAME: {message}"),
    })
}

fn request(line: &str) -> Request {
    let words: Vec<&str> = line.split_whitespace().collect();
    match parse_line(&words) {
        Ok(Invocation::Act(request)) => *request,
        other => panic!("{line}: {other:?}"),
    }
}

#[track_caller]
fn refused(line: &[&str], message: &str) {
    match parse_line(line) {
        Err(found) => assert_eq!(found, message, "{line:?}"),
        Ok(invocation) => panic!("{line:?}: {invocation:?}"),
    }
}

#[track_caller]
fn refused_words(line: &str, message: &str) {
    refused(&line.split_whitespace().collect::<Vec<_>>(), message);
}

#[test]
fn what_is_no_action_is_refused() {
    for line in ["", "-v", "--", "--debug --salt x"] {
        refused_words(line, "NAME: Argument <action> missing.");
    }
    for line in ["foo", "DUMP h", "create", "create n", "- h", "dum h"] {
        refused_words(line, "NAME: Unknown action.");
    }
    refused(&[""], "NAME: Unknown action.");
}

#[test]
fn too_few_arguments_are_refused_with_those_that_are_needed() {
    let pair = "requires <data_device> <hash_device>";
    refused_words("format d", &format!("NAME: format: {pair} as arguments"));
    refused_words("format", &format!("NAME: format: {pair} as arguments"));
    refused_words("verify d", &format!("NAME: verify: {pair} [<root_hash>] as arguments"));
    let open = "requires <data_device> <name> <hash_device> [<root_hash>]";
    for line in ["open", "open d", "open d n", "create n d"] {
        refused_words(line, &format!("NAME: open: {open} as arguments"));
    }
    for line in ["close", "remove"] {
        refused_words(line, "NAME: close: requires <name> as arguments");
    }
    refused_words("status", "NAME: status: requires <name> as arguments");
    refused_words("dump", "NAME: dump: requires <hash_device> as arguments");
}

#[test]
fn an_option_that_is_none_is_named_as_typed() {
    for (line, word) in [
        ("--nope", "--nope"),
        ("-x dump h", "-x"),
        ("dump h -x", "-x"),
        ("dump h -vx", "-vx"),
        ("dump h --hash-off=1", "--hash-off=1"),
        ("dump h --nope=1", "--nope=1"),
    ] {
        refused_words(line, &format!("{word}: unknown option"));
    }
    refused_words("format d n --data-block-size", "--data-block-size: missing argument");
    refused_words("format d n -h", "-h: missing argument");
    refused_words("dump --debug=1 h", "--debug=1: option does not take an argument");
    refused_words("dump -v=1 h", "-v=1: option does not take an argument");
}

#[test]
fn numbers_that_are_none_are_refused() {
    for option in [
        "--data-block-size=4k",
        "--data-block-size=",
        "--data-block-size=-1",
        "--data-block-size=99999999999",
        "--data-block-size=4294967296",
        "--hash-block-size=x",
        "--format=-1",
        "--fec-roots=-1",
        "--data-blocks=x",
        "--data-blocks=",
        "--hash-offset=0x0",
        "--fec-offset=18446744073709551616",
    ] {
        refused(&["format", "d", "n", option], "NAME: invalid numeric value");
    }
    refused(&["dump", "h", "--hash-offset", "1 "], "NAME: invalid numeric value");
}

#[test]
fn numbers_at_their_limits_are_taken() {
    let options = request("dump h --data-blocks=-1 --hash-offset=+8 --data-block-size=4294967295");
    let options = options.options;
    assert_eq!((options.data_blocks, options.hash_offset), (u64::MAX, 8));
    assert_eq!(options.data_block_size, Some(u32::MAX));
    assert_eq!(request("dump h --fec-offset -2").options.fec_offset, u64::MAX - 1);
}

#[test]
fn options_that_an_action_does_not_take_are_refused_in_their_order() {
    let not_allowed = |option: &str, action: &str| {
        format!("NAME: Option --{option} is not allowed with {action} action.")
    };
    for (line, option, action) in [
        ("format d n --ignore-corruption", "ignore-corruption", "format"),
        ("verify d h r --use-tasklets", "use-tasklets", "verify"),
        ("verify d h r --root-hash-signature=s", "root-hash-signature", "verify"),
        ("status --deferred n", "deferred", "status"),
        ("close n --root-hash-file=x", "root-hash-file", "close"),
        ("remove n --root-hash-file=x", "root-hash-file", "close"),
        ("create n d h --deferred", "deferred", "open"),
        ("dump h --root-hash-file x", "root-hash-file", "dump"),
        ("dump h --use-tasklets --shared --deferred", "deferred", "dump"),
        ("format d n --shared --panic-on-corruption", "panic-on-corruption", "format"),
    ] {
        refused_words(line, &not_allowed(option, action));
    }
}

/// Options that an action makes nothing of, and that stand with it all the same.
#[test]
fn options_without_effect_are_taken() {
    for action in ["format d h", "verify d h", "open d n h", "close n", "status n", "dump h"] {
        request(&format!(
            "{action} --check-at-most-once --data-block-size 1 --data-blocks 1 --debug \
             --fec-device f --fec-offset 1 --fec-roots 1 --format 9 -h x --hash-block-size 1 \
             --hash-offset 1 --no-superblock -s x --uuid x -v -q --batch-mode"
        ));
    }
    assert_eq!(request("dump h extra").arguments, ["h", "extra"]);
}

#[test]
fn options_that_contradict_each_other_are_refused() {
    let together = |option: &str| {
        format!("NAME: Option --{option} and --restart-on-corruption cannot be used together.")
    };
    let open = "open d n h r --restart-on-corruption";
    refused_words(&format!("{open} --ignore-corruption"), &together("ignore-corruption"));
    refused_words(&format!("{open} --panic-on-corruption"), &together("panic-on-corruption"));
    let alone = "NAME: Option --error-as-corruption must be used with --panic-on-corruption or \
                 --restart-on-corruption.";
    refused_words("open d n h r --error-as-corruption", alone);
    refused_words("open d n h r --error-as-corruption --ignore-corruption", alone);
    refused_words(
        "close --deferred --cancel-deferred n",
        "NAME: Options --cancel-deferred and --deferred cannot be used at the same time.",
    );
    request(&format!("{open} --error-as-corruption"));
    request("open d n h r --ignore-corruption --panic-on-corruption");
}

#[test]
fn help_and_version_act_where_they_stand() {
    let parse_words = |line: &str| parse_line(&line.split_whitespace().collect::<Vec<_>>());
    for line in ["--help", "-?", "--help --nope", "-v -? foo", "format --help", "-v?"] {
        assert!(matches!(parse_words(line), Ok(Invocation::Help)), "{line}");
    }
    for line in ["--version", "-V", "-V --help", "foo -V"] {
        assert!(matches!(parse_words(line), Ok(Invocation::Version)), "{line}");
    }
    assert!(matches!(parse_words("--usage --nope"), Ok(Invocation::Usage)));
    refused_words("--nope --help", "--nope: unknown option");
    refused_words("--data-blocks=x --help", "NAME: invalid numeric value");
    refused_words("-- --help", "NAME: Unknown action.");
}

#[test]
fn the_older_names_of_actions_are_read() {
    let open = request("create name data hash root extra");
    assert_eq!((open.action, open.action.name()), (Action::Open, "open"));
    assert_eq!(open.arguments, ["data", "name", "hash", "root", "extra"]);
    let close = request("remove name");
    assert_eq!((close.action, &close.arguments[..]), (Action::Close, &["name".into()][..]));
}

#[test]
fn the_last_of_an_option_counts() {
    let options = request("format d h --salt=aa -hsha1 -s bb --hash=sha512 -h=sha256").options;
    assert_eq!(options.salt, Some("bb".into()));
    assert_eq!(options.hash, Some("sha256".into()));
    assert_eq!(request("format d h -vh sha1").options.hash, Some("sha1".into()));
}

#[test]
fn faults_are_found_in_the_order_of_the_original() {
    refused_words("foo --nope", "--nope: unknown option");
    refused_words("foo --shared", "NAME: Unknown action.");
    refused_words("dump --shared", "NAME: dump: requires <hash_device> as arguments");
    refused_words(
        "close n --deferred --cancel-deferred --shared",
        "NAME: Option --shared is not allowed with close action.",
    );
}

/// `--batch-mode` does nothing, and the original's help has never had it.
#[test]
fn help_and_usage_name_every_option() {
    for text in [words::help("veritysetup"), words::usage("veritysetup")] {
        for spec in TABLE.iter().filter(|spec| spec.id != Id::BatchMode) {
            let is_named = |word: &str| word.trim_matches(['[', ']']) == spec.long;
            let mut words = text
                .split([' ', '=', '|', '\n'])
                .filter_map(|it| it.trim_start_matches('[').strip_prefix("--"));
            assert!(words.any(is_named), "--{}", spec.long);
            let letter = spec.letter.map(|letter| format!("-{}", char::from(letter)));
            assert!(letter.is_none_or(|letter| text.contains(&letter)), "--{}", spec.long);
        }
    }
}
