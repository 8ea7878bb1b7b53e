//! The manifest: its one form, what contradicts itself, and that nothing counts before the
//! signature was checked. The codes in names are those of `docs/ATTACKS.md`.

use crate::common::{NAMES, OpenSsl, certificate, path, signatory};
use proptest::prelude::*;
use verity::{Algorithm, BlockSize, FecArea, HashArea, HashType, Origin, Params, RootHash, Salt};
use verity_sign::{
    Class, Error, Fec, Image, MAX_MANIFEST_BYTES, Manifest, ManifestError, VerifiedManifest,
};

pub(crate) const ROOT: &str = "0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0";
const REGION: [u8; 4096] = [7; 4096];

fn params() -> Params {
    Params::builder().data_blocks(300).salt(Salt::new(&[0xab, 0xcd]).unwrap()).build().unwrap()
}

fn manifest() -> Manifest {
    let image = Image::new("rootfs", 7, "a \"label\" \\ ü", 300 * 4096).unwrap();
    let area = HashArea::new(&params(), 0, true).unwrap();
    Manifest::new(image, params(), ROOT.parse().unwrap(), area, Some(&REGION)).unwrap()
}

fn with_fec() -> Manifest {
    manifest().with_fec(Fec::new(2, 5 * 4096, 304).unwrap()).unwrap()
}

fn without_superblock() -> Manifest {
    let image = Image::new("rootfs", 7, "", 300 * 4096).unwrap();
    let area = HashArea::new(&params(), 300 * 4096, false).unwrap();
    Manifest::new(image, params(), ROOT.parse().unwrap(), area, None).unwrap()
}

/// The specification's example, written out: docs/FORMAT.md.
const CANONICAL: &str = concat!(
    r#"{"manifest_version":1,"#,
    r#""image":{"name":"rootfs","version":7,"label":"a \"label\" \\ ü","size_bytes":1228800},"#,
    r#""root_hash":"0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0","#,
    r#""algorithm":"sha256","hash_type":1,"data_block_size":4096,"hash_block_size":4096,"#,
    r#""data_blocks":300,"salt":"abcd","#,
    r#""hash_area":{"offset_bytes":0,"hash_start":1,"hash_blocks":4,"superblock_sha256":"#,
    r#""4fad5b1a65d9ef0c2fd5f5e1c8bbf16d2b4ff1e6e0e1d5e6e1cdbd2f5d8dd4f7"},"#,
    r#""fec":null,"not_after":null}"#
);

fn text() -> String {
    String::from_utf8(manifest().to_bytes()).unwrap()
}

fn refused(text: &str) -> ManifestError {
    match Manifest::parse(text.as_bytes()) {
        Err(Error::Manifest(error)) => error,
        other => panic!("{text}: {other:?}"),
    }
}

/// The canonical text with one part replaced, which must be there once.
fn with(from: &str, to: &str) -> String {
    let text = text();
    assert_eq!(text.matches(from).count(), 1, "{from}");
    text.replace(from, to)
}

#[test]
fn the_form_is_the_specified_one() {
    let sha256 = hex::encode(ring::digest::digest(&ring::digest::SHA256, &REGION));
    let start = CANONICAL.find("4fad").unwrap();
    let expected = CANONICAL.replace(&CANONICAL[start..start + 64], &sha256);
    assert_eq!(text(), expected);
    assert_eq!(Manifest::parse(expected.as_bytes()).unwrap(), manifest());
}

#[test]
fn every_part_is_read_back() {
    let made = manifest()
        .with_fec(Fec::new(24, 4096 * 1000, 304).unwrap())
        .unwrap()
        .with_not_after(u64::MAX);
    let read = Manifest::parse(&made.to_bytes()).unwrap();
    assert_eq!(read, made);
    assert_eq!((read.image().name(), read.image().version()), ("rootfs", 7));
    assert_eq!((read.image().label(), read.image().size_bytes()), ("a \"label\" \\ ü", 1_228_800));
    assert_eq!(read.params(), &params());
    assert_eq!(read.root_hash().to_string(), ROOT);
    assert_eq!(read.hash_area(), HashArea::new(&params(), 0, true).unwrap());
    assert_eq!(read.superblock_region(), Some(0..4096));
    let fec = read.fec().unwrap();
    assert_eq!((fec.fec_roots(), fec.offset_bytes(), fec.fec_blocks()), (24, 4_096_000, 304));
    let area = FecArea::new(&params(), &read.hash_area(), 24, 304, 4_096_000).unwrap();
    assert_eq!((read.fec_area(), Fec::from(&area)), (Some(area), *fec));
    assert_eq!(read.not_after(), Some(u64::MAX));

    let bare = without_superblock();
    assert_eq!(Manifest::parse(&bare.to_bytes()).unwrap(), bare);
    assert_eq!((bare.superblock_sha256(), bare.superblock_region()), (None, None));
    assert_eq!((bare.fec(), bare.fec_area()), (None, None));
}

/// P33: other spellings of the same values.
#[test]
fn p33_only_one_spelling_counts() {
    let compact = text();
    let label = r#""label":"a \"label\" \\ ü""#;
    for spelling in [
        format!("{compact}\n"),
        format!(" {compact}"),
        format!("{compact} "),
        compact.replacen(':', ": ", 1),
        with(r#""fec":null,"not_after":null"#, r#""not_after":null,"fec":null"#),
        with(r#""fec":null,"#, ""),
        with(r#","not_after":null"#, ""),
        with(r#""label""#, r#""\u006cabel""#),
        with(label, r#""label":"a \u0022label\" \\ ü""#),
        with(label, r#""label":"a \"label\" \\ \u00fc""#),
        with(r#""rootfs""#, r#""root\/fs""#),
        with(ROOT, &ROOT.to_ascii_uppercase()),
        with(r#""salt":"abcd""#, r#""salt":"ABCD""#),
        with(r#""algorithm":"sha256""#, r#""algorithm":"SHA256""#),
    ] {
        let error = refused(&spelling);
        assert!(matches!(error, ManifestError::NotCanonical { .. }), "{spelling}: {error}");
        assert_eq!(Error::from(error).class(), Class::Format);
    }
    // An empty salt is written as a dash.
    let spelling = with(r#""salt":"abcd""#, r#""salt":"""#);
    assert!(Manifest::parse(spelling.as_bytes()).is_err());
    // An array where the object should be means the same to serde, and not to us.
    let array = with(
        r#"{"name":"rootfs","version":7,"label":"a \"label\" \\ ü","size_bytes":1228800}"#,
        r#"["rootfs",7,"a \"label\" \\ ü",1228800]"#,
    );
    refused(&array);
}

/// P33: not this format at all.
#[test]
fn p33_malformed() {
    let compact = text();
    let deep = format!("{}{}", "[".repeat(8000), "]".repeat(8000));
    for bad in [
        String::new(),
        "null".to_owned(),
        "{}".to_owned(),
        format!("{compact}{compact}"),
        format!("{compact}\0"),
        format!("\u{feff}{compact}"),
        compact[..compact.len() - 1].to_owned(),
        with(r#""fec":null"#, r#""fec":null,"fec":null"#),
        with(r#""hash_type":1"#, r#""hash_type":1,"hash_type":1"#),
        with(r#""version":7"#, r#""version":7,"version":8"#),
        with(r#""fec":null"#, r#""fec":null,"more":null"#),
        with(r#""version":7"#, r#""version":7,"more":1"#),
        with(r#""version":7"#, r#""version":07"#),
        with(r#""version":7"#, r#""version":+7"#),
        with(r#""version":7"#, r#""version":-7"#),
        with(r#""version":7"#, r#""version":-0"#),
        with(r#""version":7"#, r#""version":7.0"#),
        with(r#""version":7"#, r#""version":7e0"#),
        with(r#""version":7"#, r#""version":NaN"#),
        with(r#""version":7"#, r#""version":"7""#),
        with(r#""version":7"#, r#""version":18446744073709551616"#),
        with(r#""data_block_size":4096"#, r#""data_block_size":4294967296"#),
        with(r#""name":"rootfs""#, r#""name":null"#),
        with(r#""not_after":null"#, r#""not_after":-1"#),
        with(r#""fec":null"#, r#""fec":{}"#),
        with(r#""fec":null"#, &format!(r#""fec":{}"#, &deep[..4000])),
        deep,
    ] {
        let error = refused(&bad);
        assert!(matches!(error, ManifestError::Malformed { .. }), "{bad}: {error}");
    }
    // Not UTF-8.
    let mut bytes = compact.into_bytes();
    let at = bytes.iter().position(|&byte| byte == b'r').unwrap();
    bytes[at] = 0xff;
    assert!(Manifest::parse(&bytes).is_err());
}

#[test]
fn p33_versions() {
    for (bad, version) in [
        (with(r#""manifest_version":1"#, r#""manifest_version":2"#), 2),
        (with(r#""manifest_version":1"#, r#""manifest_version":0"#), 0),
        (r#"{"manifest_version":9,"anything":{"else":[]}}"#.to_owned(), 9),
    ] {
        let error = refused(&bad);
        assert!(matches!(error, ManifestError::Version { actual } if actual == version));
        assert_eq!(Error::from(error).class(), Class::Unsupported);
    }
}

#[test]
fn p33_values_that_contradict() {
    let fec = |roots: u32, offset: u64, blocks: u64| {
        let fec = format!(
            r#""fec":{{"fec_roots":{roots},"offset_bytes":{offset},"fec_blocks":{blocks}}}"#
        );
        with(r#""fec":null"#, &fec)
    };
    assert!(Manifest::parse(fec(2, 8192, 304).as_bytes()).is_ok());
    let sha = &text()[text().find("superblock_sha256").unwrap()..][19..85].to_owned();
    for (bad, key) in [
        (with(r#""name":"rootfs""#, r#""name":"""#), "image.name"),
        (with("rootfs", &"x".repeat(129)), "image.name"),
        (with("rootfs", r"root\u0000fs"), "image.name"),
        (with("rootfs", r"root\nfs"), "image.name"),
        (with("rootfs", "root\u{7f}fs"), "image.name"),
        (with("rootfs", "root\u{85}fs"), "image.name"),
        (with(r#"a \"label\""#, &"x".repeat(257)), "image.label"),
        (with("1228800", "1228799"), "image.size_bytes"),
        (with(ROOT, &ROOT[2..]), "root_hash"),
        (with(ROOT, &format!("{ROOT}{ROOT}")), "root_hash"),
        (with(ROOT, &"g".repeat(64)), "root_hash"),
        (with(r#""algorithm":"sha256""#, r#""algorithm":"sha-256""#), "algorithm"),
        (with(r#""algorithm":"sha256""#, r#""algorithm":"md5""#), "algorithm"),
        (with(r#""algorithm":"sha256""#, r#""algorithm":"sha512""#), ""),
        (with(r#""hash_type":1"#, r#""hash_type":2"#), "hash_type"),
        (with(r#""data_block_size":4096"#, r#""data_block_size":4095"#), "data_block_size"),
        (with(r#""data_block_size":4096"#, r#""data_block_size":256"#), "data_block_size"),
        (with(r#""hash_block_size":4096"#, r#""hash_block_size":1048576"#), "hash_block_size"),
        (with(r#""hash_block_size":4096"#, r#""hash_block_size":8192"#), "hash_area"),
        (with(r#""data_blocks":300"#, r#""data_blocks":0"#), "data_blocks"),
        (with(r#""data_blocks":300"#, r#""data_blocks":18446744073709551615"#), "data_blocks"),
        (with(r#""data_blocks":300"#, r#""data_blocks":301"#), "image.size_bytes"),
        (with(r#""data_blocks":300"#, r#""data_blocks":100"#), "hash_area.hash_blocks"),
        (with(r#""salt":"abcd""#, r#""salt":"abc""#), "salt"),
        (with("abcd", &"00".repeat(257)), "salt"),
        (with(r#""offset_bytes":0"#, r#""offset_bytes":1"#), "hash_area.offset_bytes"),
        (with(r#""offset_bytes":0"#, r#""offset_bytes":18446744073709551104"#), "hash_area"),
        (with(r#""offset_bytes":0"#, r#""offset_bytes":4096"#), "hash_area.hash_start"),
        (with(r#""hash_start":1"#, r#""hash_start":0"#), "hash_area.hash_start"),
        (with(r#""hash_start":1"#, r#""hash_start":2"#), "hash_area.hash_start"),
        (with(r#""hash_blocks":4"#, r#""hash_blocks":3"#), "hash_area.hash_blocks"),
        (with(sha, "null"), "hash_area.hash_start"),
        (with(sha, r#""abcd""#), "hash_area.superblock_sha256"),
        (fec(1, 8192, 304), "fec.fec_roots"),
        (fec(25, 8192, 304), "fec.fec_roots"),
        (fec(2, 8193, 304), "fec.offset_bytes"),
        (fec(2, 8192, 303), "fec.fec_blocks"),
        (fec(2, u64::MAX - 4095, 304), "fec.offset_bytes"),
        (fec(2, 8192, u64::MAX), "fec.offset_bytes"),
        (fec(u32::MAX, 8192, 304), "fec.fec_roots"),
    ] {
        match refused(&bad) {
            ManifestError::Field { field, reason } => {
                assert!(field.starts_with(key), "{bad}: {field}: {reason}");
            }
            other => panic!("{bad}: {other}"),
        }
    }
}

#[test]
fn a_manifest_that_contradicts_itself_is_not_made() {
    let area = HashArea::new(&params(), 0, true).unwrap();
    let image = || Image::new("rootfs", 7, "", 300 * 4096).unwrap();
    let root: RootHash = ROOT.parse().unwrap();
    let sha512: RootHash = ROOT.repeat(2).parse().unwrap();
    let other_area =
        HashArea::new(&Params::builder().data_blocks(5000).build().unwrap(), 0, true).unwrap();
    let small = Image::new("rootfs", 7, "", 300 * 4096 - 1).unwrap();
    for refused in [
        Manifest::new(image(), params(), sha512, area, Some(&REGION)),
        Manifest::new(image(), params(), root, other_area, Some(&REGION)),
        Manifest::new(small, params(), root, area, Some(&REGION)),
        Manifest::new(image(), params(), root, area, None),
        Manifest::new(image(), params(), root, area, Some(&REGION[..512])),
        Manifest::new(image(), params(), root, without_superblock().hash_area(), Some(&REGION)),
    ] {
        assert!(matches!(refused, Err(Error::Manifest(_))), "{refused:?}");
    }
    assert!(Image::new("", 0, "", 1).is_err());
    assert!(Image::new("x", 0, "line\nline", 1).is_err());
    assert!(manifest().with_fec(Fec::new(2, 8192, 303).unwrap()).is_err());
    let unequal = Params::builder()
        .data_blocks(300)
        .hash_block_size(BlockSize::new(8192).unwrap())
        .build()
        .unwrap();
    let area = HashArea::new(&unequal, 0, false).unwrap();
    let made = Manifest::new(image(), unequal, root, area, None).unwrap();
    assert!(made.with_fec(Fec::new(2, 8192, 1000).unwrap()).is_err());
}

#[test]
fn p23_size() {
    let limit = usize::try_from(MAX_MANIFEST_BYTES).unwrap();
    let large = format!("{}{}", text(), " ".repeat(limit));
    let error = Manifest::parse(large.as_bytes()).unwrap_err();
    assert_eq!(error.class(), Class::Limit);
    let error = Manifest::verify(large.as_bytes(), b"", &[certificate("p256")]).unwrap_err();
    assert_eq!(error.class(), Class::Limit);
    // P33: a million levels, and as many as fit.
    for (levels, class) in [(1_000_000, Class::Limit), (limit, Class::Format)] {
        for bytes in ["[".repeat(levels), "{\"a\":".repeat(levels)[..levels].to_owned()] {
            assert_eq!(Manifest::parse(bytes.as_bytes()).unwrap_err().class(), class, "{levels}");
        }
    }
}

pub(crate) fn verified(manifest: &Manifest, name: &str) -> VerifiedManifest {
    let signature = signatory(name).sign_manifest(manifest).unwrap();
    Manifest::verify(&manifest.to_bytes(), &signature, &[certificate(name)]).unwrap()
}

#[test]
fn a_verified_manifest_gives_trusted_parameters() {
    for name in NAMES {
        let verified = verified(&manifest(), name);
        assert_eq!(verified.manifest(), &manifest());
        assert_eq!(verified.signer().certificate(), &certificate(name));
        let trusted = verified.trusted_params();
        assert_eq!(trusted.origin(), Origin::Manifest);
        assert_eq!(trusted.params(), &params());
        assert_eq!(trusted.root_hash().to_string(), ROOT);
        assert_eq!(trusted.hash_area(), manifest().hash_area());
    }
}

/// P30: the signature of one manifest on another, of the root hash on the manifest, by a stranger.
#[test]
fn p30_signatures_of_something_else() {
    let bytes = manifest().to_bytes();
    let trusted = [certificate("rsa2048")];
    let other = signatory("rsa2048").sign_manifest(&without_superblock()).unwrap();
    let root = signatory("rsa2048").sign_root_hash(&manifest().root_hash()).unwrap();
    for signature in [other, root] {
        let error = Manifest::verify(&bytes, &signature, &trusted).unwrap_err();
        assert_eq!(error.class(), Class::Signature, "{error}");
        assert!(error.to_string().contains("manifest"), "{error}");
    }
    let stranger = signatory("other").sign_manifest(&manifest()).unwrap();
    let error = Manifest::verify(&bytes, &stranger, &trusted).unwrap_err();
    assert_eq!(error.class(), Class::Trust);
    let newline = [bytes.as_slice(), b"\n"].concat();
    let signature = signatory("rsa2048").sign_detached(&newline).unwrap();
    let error = Manifest::verify(&bytes, &signature, &trusted).unwrap_err();
    assert!(error.to_string().contains("newline"), "{error}");
    let error = Manifest::verify(&newline, &signature, &trusted).unwrap_err();
    assert!(matches!(error, Error::Manifest(ManifestError::NotCanonical { .. })), "{error}");
}

/// A signature does not make a bad manifest good.
#[test]
fn signed_nonsense_is_still_nonsense() {
    for bad in ["{}".to_owned(), with("1228800", "1228799"), format!("{} ", text())] {
        let signature = signatory("p256").sign_detached(bad.as_bytes()).unwrap();
        let error =
            Manifest::verify(bad.as_bytes(), &signature, &[certificate("p256")]).unwrap_err();
        assert!(matches!(error, Error::Manifest(_)), "{error}");
    }
}

#[test]
fn p01_no_bit_of_a_manifest_can_change() {
    for manifest in [manifest(), with_fec()] {
        let bytes = manifest.to_bytes();
        let signature = signatory("p256").sign_manifest(&manifest).unwrap();
        let trusted = [certificate("p256")];
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(Manifest::verify(&flipped, &signature, &trusted).is_err(), "bit {bit}");
        }
    }
}

/// Nobody can take the parity of one manifest away, or add some to another.
#[test]
fn p30_manifests_with_and_without_parity_are_two() {
    let trusted = [certificate("p256")];
    for (signed, shown) in [(manifest(), with_fec()), (with_fec(), manifest())] {
        let signature = signatory("p256").sign_manifest(&signed).unwrap();
        let error = Manifest::verify(&shown.to_bytes(), &signature, &trusted).unwrap_err();
        assert_eq!(error.class(), Class::Signature, "{error}");
    }
}

/// P33: other spellings of the same parity, and parts of it alone.
#[test]
fn p33_parity_has_one_spelling() {
    let fec = r#""fec":{"fec_roots":2,"offset_bytes":20480,"fec_blocks":304}"#;
    let text = String::from_utf8(with_fec().to_bytes()).unwrap();
    assert_eq!(text, with(r#""fec":null"#, fec));
    for other in [
        r#""fec":{"offset_bytes":20480,"fec_roots":2,"fec_blocks":304}"#,
        r#""fec":{"fec_roots":2,"offset_bytes":20480,"fec_blocks":304,"device":null}"#,
        r#""fec":{"fec_roots":2,"offset_bytes":20480}"#,
        r#""fec":{"fec_roots":02,"offset_bytes":20480,"fec_blocks":304}"#,
        r#""fec":{"fec_roots":2.0,"offset_bytes":20480,"fec_blocks":304}"#,
        r#""fec":{"fec_roots":2,"offset_bytes":"20480","fec_blocks":304}"#,
        r#""fec":{"fec_roots":2,"fec_roots":2,"offset_bytes":20480,"fec_blocks":304}"#,
        r#""fec":{"fec_roots":2, "offset_bytes":20480,"fec_blocks":304}"#,
        r#""fec":[2,20480,304]"#,
        r#""fec":{}"#,
        r#""fec":false"#,
    ] {
        refused(&with(r#""fec":null"#, other));
    }
}

#[test]
fn the_superblock_and_its_padding_are_bound() {
    let verified = verified(&manifest(), "p256");
    verified.check_superblock(&REGION).unwrap();
    for at in [0, 511, 512, 4095] {
        let mut region = REGION;
        region[at] ^= 1;
        let error = verified.check_superblock(&region).unwrap_err();
        assert!(matches!(error, Error::Manifest(ManifestError::Superblock { .. })), "{error}");
        assert_eq!(error.class(), Class::Signature);
    }
    for length in [0, 512, 4095] {
        assert!(verified.check_superblock(&REGION[..length]).is_err());
    }
    let bare = self::verified(&without_superblock(), "p256");
    bare.check_superblock(&[]).unwrap();
    assert!(bare.check_superblock(&REGION).is_err());
}

#[test]
fn the_superblock_region_is_never_large() {
    let params = Params::builder()
        .data_blocks(300)
        .hash_block_size(BlockSize::new(524_288).unwrap())
        .build()
        .unwrap();
    // At the start of a hash block it is longest, in the last sector of one shortest.
    for offset in [0, 512, 523_776, 524_288] {
        let area = HashArea::new(&params, offset, true).unwrap();
        let length = area.tree_range().start - offset;
        let region = vec![1; usize::try_from(length).unwrap()];
        let image = Image::new("x", 0, "", 1 << 40).unwrap();
        let root = ROOT.parse().unwrap();
        let made = Manifest::new(image, params.clone(), root, area, Some(&region)).unwrap();
        assert_eq!(made.superblock_region(), Some(offset..offset + length));
        assert!(length <= 524_288);
    }
}

/// P32: a manifest whose time is over.
#[test]
fn p32_not_after() {
    let verified = verified(&manifest().with_not_after(1000), "p256");
    verified.check_not_after(1000).unwrap();
    let error = verified.check_not_after(1001).unwrap_err();
    assert_eq!(error.class(), Class::Policy);
    self::verified(&manifest(), "p256").check_not_after(u64::MAX).unwrap();
}

/// The command in docs/FORMAT.md.
#[test]
fn openssl_alone_can_check_a_manifest() {
    let Some(openssl) = OpenSsl::find() else { return };
    let content = openssl.file("M", &manifest().to_bytes());
    for name in NAMES {
        let signature = openssl.file("M.p7s", &signatory(name).sign_manifest(&manifest()).unwrap());
        openssl.ok(
            "cms -verify -binary -inform DER -in {} -content {} -certfile {} -noverify -nointern",
            &[&signature, &content, &path(name, "cert")],
        );
    }
    // And openssl can sign one.
    let theirs = openssl.sign("smime", "rsa2048", &manifest().to_bytes(), "-nocerts -noattr");
    Manifest::verify(&manifest().to_bytes(), &theirs, &[certificate("rsa2048")]).unwrap();
}

prop_compose! {
    fn any_params()(
        algorithm in prop::sample::select(Algorithm::ALL),
        hash_type in prop::sample::select(vec![HashType::ChromeOs, HashType::Normal]),
        data_block in 9u32..=19,
        hash_block in proptest::option::of(9u32..=19),
        data_blocks in 1u64..1 << 40,
        salt in prop::collection::vec(any::<u8>(), 0..=256),
    ) -> Params {
        Params::builder()
            .algorithm(algorithm)
            .hash_type(hash_type)
            .data_block_size(BlockSize::new(1 << data_block).unwrap())
            .hash_block_size(BlockSize::new(1 << hash_block.unwrap_or(data_block)).unwrap())
            .data_blocks(data_blocks)
            .salt(Salt::new(&salt).unwrap())
            .build()
            .unwrap()
    }
}

fn text_without_controls(max: usize) -> impl Strategy<Value = String> {
    proptest::collection::vec(
        any::<char>().prop_filter("no controls", |c| !c.is_control()),
        1..=max / 4,
    )
    .prop_map(|characters| characters.into_iter().collect())
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        params in any_params(),
        name in text_without_controls(128),
        label in text_without_controls(256),
        version: u64,
        tail in 0u64..10_000,
        offset in 0u64..1 << 20,
        superblock: bool,
        not_after: Option<u64>,
        fec in proptest::option::of((2_u32..=24, 0_u64..1 << 20, 0_u64..1 << 20)),
    ) {
        let grid = if superblock { 512 } else { u64::from(params.hash_block_size().bytes()) };
        let area = HashArea::new(&params, offset * grid, superblock).unwrap();
        let region = superblock.then(|| {
            vec![3; usize::try_from(area.tree_range().start - area.offset()).unwrap()]
        });
        let size = params.algorithm().digest_size();
        let root: RootHash = "5a".repeat(usize::try_from(size).unwrap()).parse().unwrap();
        let image = Image::new(name, version, label, params.data_size() + tail).unwrap();
        let made = Manifest::new(image, params.clone(), root, area, region.as_deref()).unwrap();
        let made = match not_after {
            Some(not_after) => made.with_not_after(not_after),
            None => made,
        };
        let made = match fec {
            Some((roots, start, behind)) => {
                let offset = start * u64::from(params.data_block_size());
                let blocks = params.data_blocks() + area.hash_blocks() + behind;
                let with_fec = made.clone().with_fec(Fec::new(roots, offset, blocks).unwrap());
                let equal = params.data_block_size() == params.hash_block_size();
                prop_assert_eq!(with_fec.is_ok(), equal);
                with_fec.unwrap_or(made)
            }
            None => made,
        };
        prop_assert_eq!(made.fec_area().as_ref().map(Fec::from), made.fec().copied());
        let bytes = made.to_bytes();
        prop_assert!(bytes.len() < 4096);
        prop_assert_eq!(&Manifest::parse(&bytes).unwrap(), &made);
        prop_assert_eq!(Manifest::parse(&bytes).unwrap().to_bytes(), bytes);
    }

    /// Any change of one byte gives another manifest or none, never the same one.
    #[test]
    fn two_files_never_mean_the_same(index: prop::sample::Index, byte: u8) {
        let mut bytes = manifest().to_bytes();
        let index = index.index(bytes.len());
        prop_assume!(bytes[index] != byte);
        bytes[index] = byte;
        if let Ok(parsed) = Manifest::parse(&bytes) {
            prop_assert_ne!(parsed, manifest());
        }
    }
}

/// What a hostile manifest quotes at its reader's terminal is escaped, and short.
#[test]
fn c14_a_malformed_manifest_cannot_write_control_characters_into_messages() {
    let bytes = format!("{{\"\\u001b[2J\\n{}\":1}}", "x".repeat(4000));
    let error = Manifest::parse(bytes.as_bytes()).unwrap_err().to_string();
    assert!(error.len() < 400 && !error.chars().any(char::is_control), "{error:?}");
}

/// P01: the manifest and its signature, every bit.
#[test]
fn p01_no_flip_in_manifest_or_signature_is_accepted() {
    let (bytes, trusted) = (manifest().to_bytes(), [certificate("p256")]);
    let signature = signatory("p256").sign_manifest(&manifest()).unwrap();
    let accepted =
        |manifest: &[u8], signature: &[u8]| Manifest::verify(manifest, signature, &trusted).is_ok();
    assert!(accepted(&bytes, &signature));
    for (index, original) in [&bytes, &signature].into_iter().enumerate() {
        let with = |changed: &[u8]| match index {
            0 => accepted(changed, &signature),
            _ => accepted(&bytes, changed),
        };
        for bit in 0..original.len() * 8 {
            let mut flipped = original.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(!with(&flipped), "bit {bit}");
        }
        for length in 0..original.len() {
            assert!(!with(&original[..length]), "{length} bytes");
        }
        for byte in 0..=255 {
            assert!(!with(&[original.as_slice(), &[byte]].concat()), "and {byte}");
        }
    }
}
