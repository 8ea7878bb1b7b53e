//! Help, usage and version, in our own words.

/// The version of the original that everything here follows. Scripts take it from `--version`, as
/// the second word.
pub(super) const FOLLOWED: &str = "2.8.8";

/// The one line of `--version`.
pub(super) fn version() -> String {
    format!("veritysetup {FOLLOWED} flags: UDEV KEYRING (verity {})\n", env!("CARGO_PKG_VERSION"))
}

/// What `--help` prints, for a program of this name.
pub(super) fn help(program: &str) -> String {
    format!("{}{}", version(), HELP.replace("PROGRAM", program))
}

/// What `--usage` prints, and what stands above the message of a wrong command line.
pub(super) fn usage(program: &str) -> String {
    USAGE.replace("PROGRAM", program)
}

const HELP: &str = "\
Usage: PROGRAM [OPTION...] <action> <action-specific>

Help options:
  -?, --help                           Print this text
      --usage                          Print the options in short
  -V, --version                        Print the version
      --cancel-deferred                Close: call off a removal that waits
      --check-at-most-once             Open: check each data block on its first
                                       read only
      --data-block-size=bytes          Size of a data block
      --data-blocks=blocks             How many data blocks there are; 0: all
      --debug                          Tell each step
      --deferred                       Close: remove it once nobody uses it
      --error-as-corruption            Open: unreadable blocks count as corrupt,
                                       for panic and restart
      --fec-device=path                File or device with the parity
      --fec-offset=bytes               Where the parity begins there
      --fec-roots=bytes                Parity bytes a codeword, 2 to 24
      --format=number                  Hash type: 1, or 0 as Chrome OS had it
  -h, --hash=string                    Hash algorithm
      --hash-block-size=bytes          Size of a hash block
      --hash-offset=bytes              Where the hash area begins
      --ignore-corruption              Open: log corrupt blocks, return them
      --ignore-zero-blocks             Open: return zeros unread where zeros
                                       are expected
      --no-superblock                  No superblock: options say it all
      --panic-on-corruption            Open: panic at a corrupt block
      --restart-on-corruption          Open: restart at a corrupt block
      --root-hash-file=STRING          Read the root hash from this file, or
                                       write it there
      --root-hash-signature=STRING     Open: signature of the root hash, for the
                                       kernel
  -s, --salt=hex string                Salt; - for none
      --shared                         Open: others may map the data too
      --use-tasklets                   Open: verify in tasklets
      --uuid=STRING                    UUID of the superblock
  -v, --verbose                        Tell how it ended

<action> is one of:
\tformat <data_device> <hash_device> - make a hash tree, and parity
\tverify <data_device> <hash_device> [<root_hash>] - check everything
\topen <data_device> <name> <hash_device> [<root_hash>] - map it as <name>
\tclose <name> - remove the mapping
\tstatus <name> - tell of a mapping
\tdump <hash_device> - print the superblock

<name> is that of a device below /dev/mapper, <data_device> has the data,
<hash_device> the hash tree of it, and <root_hash> is the digest of that.
All devices may be files. Every option is that of veritysetup; what differs
is in docs/VERITYSETUP.md.

Unless given:
\tHash: sha256, Data block (bytes): 4096, Hash block (bytes): 4096, Salt size: 32, Hash format: 1
";

const USAGE: &str = "\
Usage: PROGRAM [-?Vv] [-h|--hash=string] [-s|--salt=hex string]
        [-?|--help] [--usage] [-V|--version] [-v|--verbose] [--debug]
        [--data-block-size=bytes] [--hash-block-size=bytes]
        [--data-blocks=blocks] [--hash-offset=bytes] [--format=number]
        [--uuid=STRING] [--no-superblock] [--root-hash-file=STRING]
        [--root-hash-signature=STRING] [--fec-device=path]
        [--fec-offset=bytes] [--fec-roots=bytes] [--ignore-corruption]
        [--restart-on-corruption] [--panic-on-corruption]
        [--error-as-corruption] [--ignore-zero-blocks]
        [--check-at-most-once] [--use-tasklets] [--shared] [--deferred]
        [--cancel-deferred] [OPTION...] <action> <action-specific>
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_the_second_word() {
        let version = version();
        let words: Vec<_> = version.split_whitespace().collect();
        assert_eq!(words[..3], ["veritysetup", "2.8.8", "flags:"]);
    }

    #[test]
    fn help_fits_a_terminal() {
        for text in [help("veritysetup"), usage("veritysetup")] {
            let is_long = |line: &&str| line.len() > 80 && !line.starts_with('\t');
            assert_eq!(text.lines().find(is_long), None);
            assert!(text.contains("Usage: veritysetup ") && !text.contains("PROGRAM"));
        }
    }
}
