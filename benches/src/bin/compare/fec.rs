//! Whole commands that make and use parity: from an image to tree and parity, and from a damaged
//! image back to the intact one.

use std::cell::OnceCell;
use std::fs::{self, File};
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use verity::internals::{to_len, to_u64};
use verity::{FecArea, HashArea, Params};
use verity_benches::fec::{Damage, ROOTS};
use verity_benches::fixture;
use verity_benches::kernels::VERITY;
use verity_benches::probe::Place;
use verity_benches::reads::KnownImage;
use verity_benches::record::{
    Input, Parity, Row, Task, VERIFY_INTACT, VERITYSETUP, WITHOUT_PARITY,
};
use verity_testdata::oracle::{Header, VeritySetup};

use super::image::Image;
use super::options::Options;
use super::program::{Builds, Program, pairs, parameters, timed};
use super::rounds::{Pace, Rounds};

/// The part of the input that is encoded with that many roots: a quarter with the most roots, as
/// each byte takes so much longer.
pub(crate) fn share(input: &Input, roots: u32) -> Input {
    let bytes = if roots == ROOTS[0] { input.bytes } else { input.bytes / 4 };
    Input { bytes, ..input.clone() }
}

/// Measures everything with each number of roots.
pub(crate) fn measure(
    options: &Options,
    input: &Input,
    veritysetup: &VeritySetup,
    builds: &Builds,
) -> Result<(Vec<Row>, Vec<Parity>), String> {
    let mut rows = Vec::new();
    let mut parities = Vec::new();
    for (roots, format, repair, corrupt) in [
        (2, Task::FormatFec2, Task::RepairFec2, 1000),
        (24, Task::FormatFec24, Task::RepairFec24, 100),
    ] {
        let input = share(input, roots);
        let image = Image::write(&options.directory()?, &input)?;
        let shape = Shape::new(input.bytes, roots).map_err(|error| error.to_string())?;
        let contest = Contest::new(veritysetup, builds, &image, &shape, input.seed, options);
        rows.extend(contest.formats(format, options.pace())?);
        let corrupt = shape.blocks() / corrupt;
        let corrupt = to_len(corrupt.max(1));
        let (repaired, corrupt) = contest.repairs(repair, corrupt, options.pace())?;
        rows.extend(repaired);
        parities.push(Parity {
            roots,
            image: input.bytes,
            blocks: shape.blocks(),
            rounds: shape.fec_area.rounds(),
            corrupt,
        });
    }
    Ok((rows, parities))
}

/// Where everything of an image lies.
struct Shape {
    params: Params,
    hash_area: HashArea,
    fec_area: FecArea,
}

impl Shape {
    fn new(bytes: u64, roots: u32) -> Result<Shape, Box<dyn std::error::Error>> {
        let params = fixture::params(bytes);
        let hash_area = HashArea::new(&params, 0, true)?;
        let blocks = params.data_blocks() + hash_area.hash_blocks();
        let fec_area = FecArea::new(&params, &hash_area, roots, blocks, 0)?;
        Ok(Shape { params, hash_area, fec_area })
    }

    fn blocks(&self) -> u64 {
        self.fec_area.blocks()
    }
}

/// The contenders over one image.
struct Contest<'a> {
    /// veritysetup, ours, and ours without parity, with each number of threads.
    formats: Vec<Program>,
    /// Verification of the intact image, and repair, with each number of threads.
    repairs: Vec<Program>,
    image: &'a Image,
    shape: &'a Shape,
    seed: u64,
    /// What veritysetup made, which is the first to run.
    answer: OnceCell<Made>,
}

/// What a command made.
struct Made {
    root_hash: String,
    hash: Vec<u8>,
    fec: Option<Vec<u8>>,
}

impl<'a> Contest<'a> {
    fn new(
        veritysetup: &VeritySetup,
        builds: &Builds,
        image: &'a Image,
        shape: &'a Shape,
        seed: u64,
        options: &Options,
    ) -> Contest<'a> {
        let as_peer = |name| Program::each(name, &builds.verity, &options.threads);
        let ours = || builds.each(&options.threads);
        let mut formats = vec![Program::veritysetup(&veritysetup.command())];
        formats.extend(ours().into_iter().chain(as_peer(WITHOUT_PARITY)));
        let repairs = as_peer(VERIFY_INTACT).chain(ours()).collect();
        Contest { formats, repairs, image, shape, seed, answer: OnceCell::new() }
    }

    /// Measures making tree and parity, and the tree alone.
    fn formats(&self, task: Task, pace: Pace) -> Result<Vec<Row>, String> {
        let each = self.formats.iter().map(|it| pace.few_if(it.name == VERITYSETUP));
        let each: Vec<_> = each.collect();
        let run = |_, index: usize| self.format(&self.formats[index]);
        self.contest(task, &self.formats, &each, pace, run)
    }

    /// Runs a whole command with all its syncs: what veritysetup does not sync is synced for it,
    /// within the time.
    fn format(&self, program: &Program) -> Result<Duration, String> {
        self.image.remove_outputs().map_err(|error| error.to_string())?;
        let has_parity = program.name != WITHOUT_PARITY;
        let mut command = program.command("format");
        command.arg(self.image.path()).arg(self.image.hash()).args(parameters());
        if has_parity {
            command.args(self.fec_options());
        }
        let (mut time, stdout) = timed(&mut command)?;
        if program.name == VERITYSETUP {
            time += self.sync_parity()?;
        }
        let read = |path| fs::read(path).map_err(|error| error.to_string());
        let made = Made {
            root_hash: Header::parse(stdout).root_hash().to_owned(),
            hash: read(self.image.hash())?,
            fec: has_parity.then(|| read(self.image.fec())).transpose()?,
        };
        self.check(program, made)?;
        Ok(time)
    }

    fn sync_parity(&self) -> Result<Duration, String> {
        let start = Instant::now();
        let synced = File::open(self.image.fec()).and_then(|file| file.sync_all());
        synced.map(|()| start.elapsed()).map_err(|error| error.to_string())
    }

    /// Compares with what the first program made, which is not ours.
    fn check(&self, program: &Program, made: Made) -> Result<(), String> {
        let Some(answer) = self.answer.get() else {
            assert_eq!(program.name, VERITYSETUP, "the first to run");
            return self.answer.set(made).map_err(|_| "two answers".to_owned());
        };
        let Made { root_hash, hash, fec } = made;
        let different = [
            ("root hash", root_hash == answer.root_hash),
            ("hash file", hash == answer.hash),
            ("parity", fec.is_none() || fec == answer.fec),
        ];
        match different.iter().find(|(_, equal)| !equal) {
            Some((what, _)) => Err(format!("{}: another {what}", program.name)),
            None => Ok(()),
        }
    }

    /// Measures repair. Returns also how many blocks were corrupt each time.
    fn repairs(&self, task: Task, corrupt: usize, pace: Pace) -> Result<(Vec<Row>, usize), String> {
        // The last to run may have made no parity.
        let maker = self.formats.iter().find(|it| it.name == VERITY);
        self.format(maker.ok_or("no number of threads")?)?;
        let damage = |seed| {
            let Shape { params, fec_area, .. } = self.shape;
            Damage::scattered(params, fec_area, corrupt, self.seed ^ seed)
        };
        let each = vec![pace.rounds; self.repairs.len()];
        let run = |round, index: usize| match &self.repairs[index] {
            verify if verify.name == VERIFY_INTACT => self.verify(verify),
            // Everyone has the same damage in a round.
            repair => self.repair(repair, &damage(to_u64(round) + 1)),
        };
        let rows = self.contest(task, &self.repairs, &each, pace, run)?;
        Ok((rows, damage(1).blocks.len()))
    }

    fn verify(&self, program: &Program) -> Result<Duration, String> {
        let mut command = program.command("verify");
        command.arg(self.image.path()).arg(self.image.hash()).arg(&self.answer()?.root_hash);
        timed(&mut command).map(|(time, _)| time)
    }

    fn repair(&self, program: &Program, damage: &Damage) -> Result<Duration, String> {
        let Shape { params, hash_area, .. } = self.shape;
        let open = |path| File::options().read(true).write(true).open(path);
        let inflict = || {
            let (data, hash) = (open(self.image.path())?, open(self.image.hash())?);
            damage.inflict(params, hash_area, &data, &hash)
        };
        inflict().map_err(|error| error.to_string())?;
        let answer = self.answer()?;
        let mut command = program.command("repair");
        command.arg(self.image.path()).arg(self.image.hash()).arg(&answer.root_hash);
        command.args(self.fec_options()).arg("--in-place");
        let (time, _) = timed(&mut command)?;
        self.check_repaired(answer)?;
        Ok(time)
    }

    /// Compares image, tree and parity with what they were, byte by byte.
    fn check_repaired(&self, answer: &Made) -> Result<(), String> {
        let wrong = |error: std::io::Error| error.to_string();
        let mut data = File::open(self.image.path()).map_err(wrong)?;
        let is_whole = KnownImage::is_written(&mut data, self.image.bytes, self.seed);
        let hash = fs::read(self.image.hash()).map_err(wrong)?;
        let fec = fs::read(self.image.fec()).map_err(wrong)?;
        match is_whole.map_err(wrong)? && hash == answer.hash && Some(fec) == answer.fec {
            true => Ok(()),
            false => Err("repair left other bytes than there were before".to_owned()),
        }
    }

    fn answer(&self) -> Result<&Made, String> {
        self.answer.get().ok_or("nothing was formatted".to_owned())
    }

    fn fec_options(&self) -> [String; 2] {
        [
            format!("--fec-device={}", self.image.fec().display()),
            format!("--fec-roots={}", self.shape.fec_area.roots()),
        ]
    }

    fn contest(
        &self,
        task: Task,
        programs: &[Program],
        each: &[NonZeroUsize],
        pace: Pace,
        run: impl FnMut(usize, usize) -> Result<Duration, String>,
    ) -> Result<Vec<Row>, String> {
        let (name, budget, pairs) = (task.title(), pace.budget, pairs(programs));
        let rounds = Rounds { name, each, pairs: &pairs, budget, place: pace.place(Place::AnyCpu) };
        let row = |(program, samples): (&Program, _)| {
            Row::new(task, program.name, program.threads.get(), self.image.bytes, samples)
        };
        Ok(programs.iter().zip(rounds.run(run)?).map(row).collect())
    }
}
