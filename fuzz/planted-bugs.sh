#!/bin/bash
# Shows that each fuzz target finds a bug: takes one check out of the real parser, in a copy of the
# workspace, and fuzzes the copy until it finds an input that the broken parser gets wrong and the real one
# does not.
#
#   fuzz/planted-bugs.sh [SECONDS [TARGET]]      for each bug; 60 unless said
#   fuzz/planted-bugs.sh 0                       only asks whether each bug can be planted
#
# Fails if a bug is not found, or can no longer be planted. Same needs as run.sh.
set -euo pipefail
readonly FUZZ=$(cd "$(dirname "$0")" && pwd)
readonly TOP=$(dirname "$FUZZ")
readonly SECONDS_EACH=${1:-60} ONLY=${2:-}
. "$FUZZ/libfuzzer.sh"
readonly WORK=$BUILD/planted-bugs
readonly COPY=$WORK/copy

# TARGET | FILE | sed expression that plants the bug | what it is
readonly BUGS=(
    "superblock|verity/src/layout/superblock.rs|s/check_zero(bytes, 344\.\.LEN)?;//|the padding at the end is not checked"
    "superblock|verity/src/layout/superblock.rs|s/if algorithm\.name() != name {/if false {/|SHA256 passes for sha256"
    "superblock|verity/src/layout/hash_area.rs|s/first_free\.div_ceil(hash_block_size)/first_free \/ hash_block_size/|the tree begins in the superblock"
    "table|verity/src/table/mod.rs|s/if sectors != table\.sectors() {/if false {/|a length other than that of the data passes"
    "table|verity/src/table/mod.rs|s/if stated != actual {/if false {/|a wrong count of options passes"
    "table|verity/src/table/options.rs|s/if std::mem::replace(flag, true) {/*flag = true; if false {/|an option may be given twice"
    "manifest|sign/src/manifest/wire.rs|s/Some(offset) => Err(ManifestError::NotCanonical { offset }),/Some(_) => Ok(manifest),/|any spelling passes"
    "manifest|sign/src/manifest/mod.rs|s/if size < data_size {/if false {/|data behind the end of the image passes"
    "manifest|verity/src/layout/fec_area.rs|s/if blocks < least {/if false {/|parity for a part of the image passes"
    "pkcs7|sign/src/signature/message.rs|s/Some(offset) => Err(SignatureError::NotCanonical { offset }),/Some(_) => Ok(data),/|an encoding that is not the canonical one passes"
    "pkcs7|sign/src/signature/message.rs|s/if !rest\.is_empty() {/let signature = \&signature[..signature.len() - rest.len()]; if false {/|bytes behind the message pass"
    "pkcs7|sign/src/signature/verify.rs|s/^    signed_by(message, content, \&\[\&certificate\])?;//|nobody asks whether the signer of a chain has signed"
    "certificate|sign/src/certificate/name.rs|s/false => character\.escape_default()\.to_string(),/false => character.to_string(),/|control characters in a name pass"
    "certificate|sign/src/trust/authorities.rs|s/Ok(Some((_, constraints))) if constraints\.ca => {}/Ok(Some(_)) => {}/|anybody is an authority"
    "key|sign/src/signer/key/ec.rs|s/if stated\.any(.*) {/if stated.by_ref().count() > 9 {/|the public key beside a scalar may be another one's"
    "key|sign/src/signer/key/ec.rs|s/(Some(outer), Some(inner)) if outer != inner/(Some(outer), Some(inner)) if outer == inner \&\& outer != inner/|two curves pass"
    "key|sign/src/signer/key/mod.rs|s/_ => return Err(KeyError::NotEncrypted\.into()),/_ => return PrivateKey::parse(file),/|a passphrase for a key that takes none passes"
    "pem|sign/src/certificate/input.rs|s/if file\.contains(&0) {/if false {/|a NUL in front passes"
    "pem|sign/src/certificate/input.rs|s/if !block\.starts_line {/if false {/|text on the line of BEGIN passes"
    "pem|sign/src/certificate/input.rs|s/if !takes(found\.len()) {/if found.is_empty() {/|the last one of several blocks is taken"
    "pem|sign/src/certificate/bundle.rs|s/several => Err(CertificateError::SeveralFit.*/[one, ..] => Ok(Some(one)),/|the first of two certificates of a key is taken"
    "pem|sign/src/certificate/bundle.rs|s/one\.public_key() == key)? {/one.public_key() == one.public_key())? {/|a certificate of another key is taken"
    "pem|sign/src/certificate/input.rs|s/beside\.into_iter()\.try_for_each.*/drop(beside);/|a broken block beside a key passes"
    "partition|sign/src/signature_partition.rs|s/Some(offset) => Err(SignaturePartitionError::NotCanonical { offset }\.into()),/Some(_) => Ok(partition),/|any spelling passes"
    "partition|sign/src/signature_partition.rs|s/if let Some(byte) = padding.*{/if let Some(byte) = None::<usize> {/|anything behind the text passes"
    "partition|sign/src/signature_partition.rs|s/Some(actual) if \*actual != expected.*=> {/Some(actual) if actual.is_empty() => {/|the fingerprint of another certificate passes"
    "dm|dm/src/record/target.rs|s/let end = if is_last { payload.len() } else { place(next) };/let end = payload.len();/|a target reaches into the next one"
    "dm|dm/src/record/name.rs|s/special != escapes/special < escapes/|a name may mix plain and escaped characters"
    "dm|dm/src/record/line.rs|s/if salt == \"-\"/if salt == \"0\"/|no salt is taken for a salt"
    "gpt|verity/src/disk/copy.rs|s/pair\[0\]\.1 >= pair\[1\]\.0/pair[0].0 >= pair[1].0/|partitions may overlap"
    "gpt|verity/src/disk/copy.rs|s/last > self\.header\.last_usable()/last < first/|a partition may end behind what is usable"
    "popt|cli/src/front/veritysetup/popt.rs|s/bytes == b\"-\"/bytes.is_empty()/|a lone - is an option"
    "popt|cli/src/front/veritysetup/popt.rs|s/if value\.is_some() {/if false {/|a flag in a cluster takes a value"
    "nbd|verity/src/nbd/session.rs|s/Err(error) => return (done, Some(error)),/Err(_) => return (size, None),/|a block that could not be proved is sent as it is"
    "nbd|verity/src/nbd/session.rs|s/} else if end\.is_none_or(.end. end > self\.export\.size) {/} else if false {/|reads beyond the end are begun"
    "nbd|verity/src/nbd/session.rs|s/self\.in_failure = false;//|only the first run of bad blocks is told"
    "nbd|verity/src/nbd/session.rs|s/^        self\.wire\.skip(request\.length)$/        Ok(())/|the data of a write is taken for requests"
    "nbd|verity/src/nbd/protocol.rs|s/kinds\.len() == 2/kinds.len() >= 2/|an option with anything behind it passes"
    "nbd|verity/src/read/extents.rs|s/digest == zero\.as_bytes()/digest.len() == zero.as_bytes().len()/|blocks that are not zero are told to be"
    "read|verity/src/read/data.rs|s/expected, actual, &\[\])/expected, if index > 0 \&\& block + 1 == row.blocks.end { expected } else { actual }, \&[])/|the last block of a run is not compared"
    "read|verity/src/read/data.rs|s/right = index;/right = index + 1;/|a repaired block is left out of the bytes"
    "read|verity/src/read/mod.rs|s/Err(ReadError { verified, error })/Err(ReadError { verified: verified + 1, error })/|one byte too many is called verified"
    "read|verity/src/tree/path.rs|s/let fault = match self\.read(level, block, bytes) {/let read = self.read(level, block, bytes); self.keep(level, block, bytes); let fault = match read {/|a hash block is cached before it is compared"
    "read|verity/src/tree/check.rs|s/Some(Corruption::SpareBytes { offset })/Some(Corruption::SpareBytes { offset }).and(None)/|spare bytes are not looked at"
    "read|verity/src/tree/check.rs|s/Ok(true) if self\.check(block, expected, bytes)\.is_none() =>/Ok(true) =>/|what a repair offers is not hashed"
    "fec|verity/src/repair/state.rs|s/if self\.tree\.check(block, expected\.as_bytes(), bytes)\.is_some() {/if false {/|what is recovered is not hashed"
    "fec|verity/src/repair/reader.rs|s/if self\.tree\.check(self\.block, self\.expected\.as_bytes(), bytes)\.is_some() {/if false {/|a first guess at a block ends the search"
    "fec|verity/src/fec/decode.rs|s/blind::corrections(self\.roots, rows, erased, residue, stop)/None/|errors at unknown places are not looked for"
    "fec|verity/src/repair/parity.rs|s/if made != stored {/if made[1..] != stored[1..] {/|the first byte of a round's parity is not compared"
)

main() {
    [[ $SECONDS_EACH =~ ^[0-9]+$ ]] || { echo "usage: fuzz/planted-bugs.sh [SECONDS [TARGET]]" >&2; exit 2; }
    copy_workspace
    local bug target file plant what count=0 missed=0
    for bug in "${BUGS[@]}"; do
        IFS='|' read -r target file plant what <<<"$bug"
        [ -z "$ONLY" ] || [ "$ONLY" = "$target" ] || continue
        count=$((count + 1))
        hunt "$target" "$file" "$plant" "$what" || missed=$((missed + 1))
        # Not with its old time, by which cargo would take the broken build for a fresh one.
        cp "$TOP/$file" "$COPY/$file"
    done
    echo "$count bugs planted, $missed missed"
    [ "$count" -gt 0 ] && [ "$missed" -eq 0 ]
}

copy_workspace() {
    rm -rf "$WORK"
    mkdir -p "$COPY"
    tar -C "$TOP" --exclude=./target --exclude=./.git --exclude=./fuzz/corpus \
        --exclude=./fuzz/artifacts -cf - . | tar -C "$COPY" -xmf -
}

hunt() {
    local target=$1 file=$2 plant=$3 what=$4 log=$WORK/log corpus=$WORK/corpus artifacts=$WORK/artifacts
    sed -i "$plant" "$COPY/$file"
    if cmp -s "$TOP/$file" "$COPY/$file"; then
        miss "$target" "cannot be planted in $file" "$what"
        return 1
    fi
    [ "$SECONDS_EACH" -gt 0 ] || return 0
    if ! build_targets "$COPY" "$target" >"$log" 2>&1; then
        cat "$log" >&2
        miss "$target" "does not build" "$what"
        return 1
    fi
    rm -rf "$corpus" "$artifacts"
    # Seeds of the real writers, and no corpus from elsewhere: this is a fresh start.
    if ! corpus seeds "$target" "$corpus"; then
        miss "$target" "no seeds" "$what"
        return 1
    fi
    local start=$SECONDS
    if run_target "$target" "$SECONDS_EACH" "$corpus" "$artifacts" >"$log" 2>&1; then
        miss "$target" "not found in $SECONDS_EACH s" "$what"
        return 1
    fi
    check_finding "$target" "$what" "$((SECONDS - start))"
}

# A finding is an invariant that broke, not a timeout or an end of memory, on an input that is none for
# the real parser.
check_finding() {
    local target=$1 what=$2 seconds=$3 findings=("$WORK"/artifacts/crash-*)
    if [ ! -f "${findings[0]}" ] || ! grep -q "panicked at .*src/" "$WORK/log"; then
        tail -20 "$WORK/log" >&2
        miss "$target" "ended otherwise" "$what"
        return 1
    fi
    if ! corpus replay "$target" "${findings[0]}" >"$WORK/replay" 2>&1; then
        cat "$WORK/replay" >&2
        miss "$target" "the real parser fails too" "$what"
        return 1
    fi
    printf 'found in %2d s  %-10s  %s\n' "$seconds" "$target" "$what"
    grep -m1 'panicked at' "$WORK/log" | sed 's/.*panicked at/              by/'
}

miss() {
    echo "MISSED        $1: $2: $3" >&2
}

main "$@"
