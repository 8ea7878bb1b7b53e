//! Parity by an attacker: it decides nothing.

use verity_testdata::oracle::VeritySetup;

use super::image::Image;

/// The parity of two roots over covered blocks of 4096 bytes.
fn parity(covered: &[u8]) -> Vec<u8> {
    let blocks = covered.len() / 4096;
    let rounds = blocks.div_ceil(253);
    let double = |byte: u8| (byte << 1) ^ if byte & 0x80 == 0 { 0 } else { 0x1d };
    let mut parity = Vec::new();
    for round in 0..rounds {
        for byte in 0..4096 {
            // Division by x^2 + 3 x + 2.
            let (mut high, mut low) = (0, 0);
            for row in 0..253 {
                let block = row * rounds + round;
                let symbol = if block < blocks { covered[block * 4096 + byte] } else { 0 };
                let feedback = symbol ^ high;
                (high, low) = (low ^ double(feedback) ^ feedback, double(feedback));
            }
            parity.extend([high, low]);
        }
    }
    parity
}

fn covered(image: &Image) -> Vec<u8> {
    [image.dir.read("data"), image.dir.read("hash")[4096..].to_vec()].concat()
}

/// E1: data replaced, and parity made for it. veritysetup says that all is well.
#[test]
fn f01_data_with_parity_of_its_own_is_not_verified() {
    let image = Image::new();
    assert!(parity(&covered(&image)) == image.good[2], "the test's own parity is right");
    image.damage_data([5]);
    image.dir.write("fec", &parity(&covered(&image)));
    if let Some(veritysetup) = VeritySetup::find() {
        let path = |name| image.dir.path(name);
        let fec = format!("--fec-device={}", path("fec").display());
        let found = veritysetup.verify(&path("data"), &path("hash"), &image.root, &[fec]);
        assert!(found.status.success(), "the attack is real: {found:?}");
    }
    let before = ["data", "hash", "fec"].map(|name| image.dir.read(name));
    for command in ["verify", "verify --all", "repair --dry-run", "repair --in-place"] {
        image.dir.fails(&image.line(command), 1, "beyond repair: data block 5");
    }
    image.dir.fails(&image.line("repair --output copy"), 1, "beyond repair");
    let (code, bytes, said) = image.dir.run_bytes(&image.line("read"));
    assert_eq!(code, 1, "{said}");
    assert!(bytes == image.good[0][..5 * 4096], "nothing that is not proved gets out");
    assert!(["data", "hash", "fec"].map(|name| image.dir.read(name)) == before);
    assert!(!image.dir.exists("copy"));
}

/// Forged data with a leaf that fits the data, so that only the level above tells.
#[test]
fn f01_a_tree_with_parity_of_its_own_is_not_verified() {
    let image = Image::new();
    image.damage_hash(0, 1);
    image.dir.write("fec", &parity(&covered(&image)));
    for command in ["verify", "repair --in-place"] {
        image.dir.fails(&image.line(command), 1, "beyond repair: hash level 0 block 1");
    }
    image.damage_hash(0, 1);
    image.damage_hash(1, 0);
    image.dir.write("fec", &parity(&covered(&image)));
    let run = image.dir.fails(&image.line("repair --in-place"), 1, "hash level 1 block 0");
    assert!(run.stderr.contains("(or the root hash is that of another image"), "{run:?}");
}

/// Recovered blocks that hash wrong count as lost, whatever wrote the parity.
#[test]
fn f02_parity_that_gives_other_bytes_repairs_nothing() {
    let image = Image::new();
    image.damage_data([5]);
    // Both bytes of a codeword of its round: with one of them right, the block would come from
    // that.
    for byte in [8192, 8192 + 100, 16382] {
        let mut fec = image.good[2].clone();
        fec[byte] ^= 1;
        fec[byte + 1] ^= 1;
        image.dir.write("fec", &fec);
        image.dir.fails(&image.line("repair --in-place"), 1, "beyond repair: data block 5");
    }
    image.dir.write("fec", &image.good[2]);
    assert_eq!(image.run("repair --in-place").code, 0);
    image.assert_whole();
}
