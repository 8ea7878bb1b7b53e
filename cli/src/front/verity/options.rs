//! From what the user typed to what the commands take.

use super::{
    BuildArgs, CheckArgs, DumpArgs, Emit, FecArgs, FormatArgs, ImageArgs, ImageParityArgs,
    LintSignatureArgs, ParameterArgs, PlanArgs, ReadArgs, ReadingArgs, RepairArgs, ServeArgs,
    TableArgs, TrustArgs, VerifyArgs,
};
use crate::command::{build, check, dump, format, lint, plan, read, repair, serve, table, verify};
use crate::image::parity::FecSource;
use crate::image::verification::Effort;
use crate::image::{ImageSource, Reading};
use crate::making::FecOptions;
use crate::parameters::Parameters;
use crate::server::{Address, Limits};
use crate::trust::{RootSource, TrustSource};

impl From<ParameterArgs> for Parameters {
    fn from(args: ParameterArgs) -> Parameters {
        Parameters {
            algorithm: args.algorithm,
            hash_type: args.format,
            data_block_size: args.data_block_size,
            hash_block_size: args.hash_block_size,
            data_blocks: args.data_blocks,
            salt: args.salt,
            uuid: args.uuid,
            hash_offset: args.hash_offset,
            no_superblock: args.no_superblock,
        }
    }
}

impl From<ImageArgs> for ImageSource {
    fn from(args: ImageArgs) -> ImageSource {
        ImageSource {
            data: args.data,
            hash: args.hash,
            root: RootSource { text: args.root, file: args.root_hash_file },
            manifest: args.manifest,
            trust: args.trust.into(),
            parameters: args.parameters.into(),
            fec: args.parity.into(),
        }
    }
}

impl From<ImageParityArgs> for FecSource {
    fn from(args: ImageParityArgs) -> FecSource {
        FecSource { device: args.fec_device, offset: args.fec_offset, roots: args.fec_roots }
    }
}

impl From<TrustArgs> for TrustSource {
    fn from(args: TrustArgs) -> TrustSource {
        TrustSource { certificates: args.certificate, authorities: args.ca, at: args.at }
    }
}

impl From<ReadingArgs> for Reading {
    fn from(args: ReadingArgs) -> Reading {
        Reading {
            cache_size: args.cache_size,
            preload: args.preload,
            ignore_zero_blocks: args.ignore_zero_blocks,
            check_at_most_once: false,
        }
    }
}

impl FecArgs {
    fn options(self) -> Option<FecOptions> {
        let FecArgs { fec_device, fec_offset: offset, fec_roots: roots } = self;
        fec_device.map(|device| FecOptions { device, offset, roots })
    }
}

impl From<FormatArgs> for format::Options {
    fn from(args: FormatArgs) -> Self {
        format::Options {
            data: args.data,
            hash: args.hash,
            parameters: args.parameters.into(),
            seed: args.seed.seed,
            root_hash_file: args.root_hash_file,
            fec: args.fec.options(),
            threads: args.threads.threads,
        }
    }
}

impl From<VerifyArgs> for verify::Options {
    fn from(args: VerifyArgs) -> Self {
        verify::Options {
            image: args.image.into(),
            effort: Effort {
                all: args.all,
                parity: args.all,
                ignore_zero_blocks: args.ignore_zero_blocks,
                threads: args.threads.threads,
            },
        }
    }
}

impl From<RepairArgs> for repair::Options {
    fn from(args: RepairArgs) -> Self {
        let target = match (args.dry_run, args.output) {
            (true, _) => repair::Target::Nowhere,
            (false, None) => repair::Target::InPlace,
            (false, Some(data)) => repair::Target::Copy { data, hash: args.hash_output },
        };
        repair::Options { image: args.image.into(), target, threads: args.threads.threads }
    }
}

impl From<ReadArgs> for read::Options {
    fn from(args: ReadArgs) -> Self {
        let target = match args.output {
            None => read::Target::Stdout { even_a_terminal: false },
            Some(file) if file.as_os_str() == "-" => read::Target::Stdout { even_a_terminal: true },
            Some(file) => read::Target::File(file),
        };
        read::Options {
            image: args.image.into(),
            reading: args.reading.into(),
            offset: args.offset,
            length: args.length,
            target,
            threads: args.threads.threads,
        }
    }
}

impl From<DumpArgs> for dump::Options {
    fn from(args: DumpArgs) -> Self {
        dump::Options { hash: args.hash, hash_offset: args.hash_offset.unwrap_or(0) }
    }
}

impl From<PlanArgs> for plan::Options {
    fn from(args: PlanArgs) -> Self {
        let target = match (args.image, args.partition) {
            (_, Some(size)) => plan::Target::Partition(size),
            (size, None) => plan::Target::Image(size.unwrap_or(0)),
        };
        let fec_roots = args.parity.fec_roots;
        plan::Options { target, fec_roots, parameters: args.parameters.into() }
    }
}

impl From<TableArgs> for table::Options {
    fn from(args: TableArgs) -> Self {
        let source = match (args.manifest, args.hash) {
            (Some(manifest), _) => table::Origin::Manifest { manifest, trust: args.trust.into() },
            (None, hash) => table::Origin::Superblock {
                hash: hash.unwrap_or_default(),
                hash_offset: args.hash_offset.unwrap_or(0),
                root: RootSource { text: args.root, file: args.root_hash_file },
                trust: args.trust.into(),
            },
        };
        let emit = match args.emit {
            Emit::Dm => table::Emit::Dm,
            Emit::DmModCreate => table::Emit::DmModCreate,
            Emit::Grub => table::Emit::Grub,
        };
        table::Options {
            origin: source,
            data_device: args.data_dev,
            hash_device: args.hash_dev,
            fec: table::FecChoice {
                none: args.fec.no_fec,
                device: args.fec.fec_dev,
                offset: args.fec.fec_offset,
                roots: args.fec.fec_roots,
                blocks: args.fec.fec_blocks,
            },
            options: args.options,
            emit,
            name: args.name,
        }
    }
}

impl From<BuildArgs> for build::Options {
    fn from(args: BuildArgs) -> Self {
        build::Options {
            image: args.image,
            signing: args.signing.options(args.systemd),
            image_name: args.image_name,
            image_version: args.image_version,
            label: args.label,
            not_after: args.not_after,
            output_dir: args.output_dir,
            usr: args.usr,
            systemd: args.systemd,
            parameters: args.parameters.into(),
            seed: args.seed.seed,
            fec_roots: args.parity.fec_roots,
            threads: args.threads.threads,
        }
    }
}

impl From<CheckArgs> for check::Options {
    fn from(args: CheckArgs) -> Self {
        check::Options {
            image: args.image,
            trust: args.trust.into(),
            state: args.state,
            output_dir: args.output_dir,
            usr: args.usr,
            threads: args.threads.threads,
        }
    }
}

impl From<LintSignatureArgs> for lint::Options {
    fn from(args: LintSignatureArgs) -> Self {
        lint::Options {
            signature: args.signature,
            root_hash: args.root_hash,
            certificates: args.certificate,
            at: args.at,
        }
    }
}

impl From<ServeArgs> for serve::Options {
    fn from(args: ServeArgs) -> Self {
        let address = match (args.listen, args.socket) {
            (Some(address), _) => Address::Tcp(address),
            (None, path) => {
                Address::Unix { path: path.unwrap_or_default(), mode: args.socket_mode }
            }
        };
        serve::Options {
            image: args.image.into(),
            reading: args.reading.into(),
            address,
            export_name: args.export_name,
            limits: Limits { clients: args.max_clients, patience: args.timeout },
        }
    }
}
