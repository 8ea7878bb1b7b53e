//! How wide text is, and how it is broken into lines that fit.
//!
//! Whoever looks at a chart has a font of their own. The widths here are those of DejaVu Sans, the
//! widest of the fonts that browsers commonly take for `sans-serif`: what fits by them fits.

use super::canvas::Style;

/// How wide a line of text is at the most, in pixels.
pub(super) fn width(text: &str, style: Style) -> f64 {
    let (letters, other) = if style.bold { (&BOLD, 1100) } else { (&REGULAR, 1000) };
    let of_letter = |letter: char| {
        let place = u32::from(letter).checked_sub(u32::from(' '));
        let place = place.and_then(|place| usize::try_from(place).ok());
        let known = place.and_then(|place| letters.get(place).copied());
        f64::from(known.unwrap_or(if letter == '·' { letters[0] } else { other }))
    };
    text.chars().map(of_letter).sum::<f64>() * style.size / 1000.0
}

/// Breaks text between words, and a word that is longer than a line within it.
pub(super) fn lines(text: &str, style: Style, available: f64) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let last = lines.last().map_or("", String::as_str);
        let longer = if last.is_empty() { word.to_owned() } else { format!("{last} {word}") };
        if width(&longer, style) <= available {
            lines.pop();
            lines.push(longer);
            continue;
        }
        if last.is_empty() {
            lines.pop();
        }
        lines.extend(pieces(word, style, available));
    }
    lines
}

fn pieces(word: &str, style: Style, available: f64) -> Vec<String> {
    let mut pieces = vec![String::new()];
    for letter in word.chars() {
        let last = pieces.last().map_or("", String::as_str);
        let longer = format!("{last}{letter}");
        if width(&longer, style) <= available || last.is_empty() {
            pieces.pop();
            pieces.push(longer);
        } else {
            pieces.push(letter.to_string());
        }
    }
    pieces
}

/// From the space to the tilde, in thousandths of the size.
const REGULAR: [u16; 95] = [
    318, 401, 460, 838, 636, 950, 780, 275, 390, 390, 500, 838, 318, 361, 318, 337, 636, 636, 636,
    636, 636, 636, 636, 636, 636, 636, 337, 337, 838, 838, 838, 531, 1000, 684, 686, 698, 770, 632,
    575, 775, 752, 295, 295, 656, 557, 863, 748, 787, 603, 787, 695, 635, 611, 732, 684, 989, 685,
    611, 685, 390, 337, 390, 838, 500, 500, 613, 635, 550, 635, 615, 352, 635, 634, 278, 278, 579,
    278, 974, 634, 612, 635, 635, 411, 521, 392, 634, 592, 818, 592, 592, 525, 636, 337, 636, 838,
];
const BOLD: [u16; 95] = [
    348, 456, 521, 838, 696, 1002, 872, 306, 457, 457, 523, 838, 380, 415, 380, 365, 696, 696, 696,
    696, 696, 696, 696, 696, 696, 696, 400, 400, 838, 838, 838, 580, 1000, 774, 762, 734, 830, 683,
    683, 821, 837, 372, 372, 775, 637, 995, 837, 850, 733, 850, 770, 720, 682, 812, 774, 1103, 771,
    724, 725, 457, 365, 457, 838, 500, 500, 675, 716, 593, 716, 678, 435, 716, 712, 343, 343, 665,
    343, 1042, 712, 687, 716, 716, 493, 595, 478, 712, 652, 924, 645, 652, 582, 712, 365, 712, 838,
];

#[cfg(test)]
mod tests {
    use super::super::canvas::INK;
    use super::*;

    const STYLE: Style = Style { size: 10.0, colour: INK, bold: false };

    #[test]
    fn every_line_fits_and_no_word_is_lost() {
        let text = "a line of several words, and Averylongwordwithoutanyplacetobreakit, and more";
        let lines = lines(text, STYLE, 100.0);
        assert!(lines.len() > 4);
        assert!(lines.iter().all(|line| width(line, STYLE) <= 100.0), "{lines:?}");
        assert_eq!(lines.concat().replace(' ', ""), text.replace(' ', ""));
        assert_eq!(super::lines("", STYLE, 100.0), [""]);
    }

    #[test]
    fn widths_are_those_of_the_letters() {
        assert!((width("ii", STYLE) - 5.56).abs() < 1e-9);
        assert!((width("W", STYLE) - 9.89).abs() < 1e-9);
        assert!(width("W", Style { bold: true, ..STYLE }) > width("W", STYLE));
        assert!((width("é", STYLE) - 10.0).abs() < 1e-9, "unknown letters are taken for wide ones");
    }
}
