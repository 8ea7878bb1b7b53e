//! A second decoder of PEM, which looks at one character after the other: slow, and independent of
//! the code under test.

/// One block, decoded.
pub(crate) struct Decoded {
    /// The label in the first line.
    pub(crate) label: String,
    pub(crate) der: Vec<u8>,
    /// Whether the block follows the strict grammar: lines of 64 characters but for the last, and
    /// no white space anywhere else.
    pub(crate) strict: bool,
}

/// The one block of a text. It takes what the strict grammar takes, and besides white space behind
/// the block, lines of any one width, and an empty line in front of the END line.
pub(crate) fn decode(file: &[u8]) -> Option<Decoded> {
    if file.len() > 65_536 || file.contains(&0) || count(file, BEGIN) != 1 {
        return None;
    }
    let start = find(file, BEGIN)?;
    if start > 0 && !is_eol(file[start - 1]) {
        return None;
    }
    let text = String::from_utf8(file[start..].to_vec()).ok()?;
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let block = text.trim_end_matches(|char| " \t\n\x0c".contains(char));
    let lines: Vec<&str> = block.split('\n').collect();
    let (first, rest) = lines.split_first()?;
    let (last, body) = rest.split_last()?;
    let label = first.strip_prefix("-----BEGIN ")?.strip_suffix("-----")?;
    if last.strip_prefix("-----END ")?.strip_suffix("-----")? != label || !is_label(label) {
        return None;
    }
    let (empty, body) = match body.split_last() {
        Some((&"", body)) => (true, body),
        _ => (false, body),
    };
    let width = body.first()?.len();
    let (short, full) = body.split_last()?;
    if width < 4 || full.iter().any(|line| line.len() != width) || short.len() > width {
        return None;
    }
    let strict = !empty
        && !short.is_empty()
        && (width == 64 || full.is_empty() && width < 64)
        && label.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b' ')
        && text.len() - block.len() <= 1;
    Some(Decoded { label: label.to_owned(), der: base64(&body.concat())?, strict })
}

/// Whether the text is words of printable characters without hyphens, one blank between them.
fn is_label(label: &str) -> bool {
    let is_word = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_graphic());
    !label.contains('-') && (label.is_empty() || label.split([' ', '\t']).all(is_word))
}

/// Decodes six bits after the other. The padding must be what the length asks for, and no bit may
/// be left over.
fn base64(text: &str) -> Option<Vec<u8>> {
    let digits = text.trim_end_matches('=');
    if !text.len().is_multiple_of(4) || text.len() - digits.len() > 2 || digits.is_empty() {
        return None;
    }
    let (mut bytes, mut bits, mut count) = (Vec::new(), 0_u32, 0);
    for digit in digits.bytes() {
        bits = bits << 6 | u32::try_from(ALPHABET.iter().position(|it| *it == digit)?).ok()?;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from(bits >> count).ok()?);
            bits &= (1 << count) - 1;
        }
    }
    (bits == 0).then_some(bytes)
}

pub(crate) fn is_eol(byte: u8) -> bool {
    byte == b'\n' || byte == b'\r'
}

pub(crate) fn find(data: &[u8], what: &[u8]) -> Option<usize> {
    data.windows(what.len()).position(|window| window == what)
}

pub(crate) fn count(data: &[u8], what: &[u8]) -> usize {
    data.windows(what.len()).filter(|window| *window == what).count()
}

pub(crate) const BEGIN: &[u8] = b"-----BEGIN ";

/// The digits of base64, in their order.
pub(crate) const ALPHABET: &[u8; 64] =
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
