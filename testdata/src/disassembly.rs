//! Machine code as objdump writes it: functions, their calls and their loops.
//!
//! A kernel that calls a function loses all vectors on the way, and nobody notices but those who
//! measure. So the calls of a built program are counted.

use std::collections::BTreeMap;

/// A function of a program.
#[derive(Debug)]
pub struct Function {
    /// Its name, as the compiler's demangled symbol.
    pub name: String,
    instructions: Vec<Instruction>,
}

#[derive(Debug)]
struct Instruction {
    address: u64,
    mnemonic: String,
    operands: String,
}

/// A call, or a jump into another function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Where it is.
    pub address: u64,
    /// The function's name, or the operand where no name is known.
    pub to: String,
    /// Whether it is in a loop that has rounds of a hash function.
    pub among_rounds: bool,
}

/// So many rotations in a loop make it one that has rounds.
const ROUNDS: usize = 16;

/// The functions in what `objdump -d -C --no-show-raw-insn` writes.
pub fn functions(text: &str) -> Vec<Function> {
    let mut functions: Vec<Function> = Vec::new();
    for line in text.lines() {
        if let Some(name) = heading(line) {
            functions.push(Function { name: name.to_owned(), instructions: Vec::new() });
        } else if let (Some(function), Some(instruction)) =
            (functions.last_mut(), instruction(line))
        {
            function.instructions.push(instruction);
        }
    }
    functions
}

/// `0000000000365200 <name>:`
fn heading(line: &str) -> Option<&str> {
    let (address, name) = line.split_once(" <")?;
    u64::from_str_radix(address, 16).ok()?;
    name.strip_suffix(">:")
}

/// `  365200:<TAB>sub    $0x8,%rsp`
fn instruction(line: &str) -> Option<Instruction> {
    let (address, rest) = line.split_once(":\t")?;
    let address = u64::from_str_radix(address.trim(), 16).ok()?;
    let (mnemonic, operands) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    Some(Instruction {
        address,
        mnemonic: mnemonic.to_owned(),
        operands: operands.trim().to_owned(),
    })
}

impl Function {
    /// What the function calls, in the order of addresses.
    pub fn calls(&self) -> Vec<Call> {
        let Some((first, last)) = self.instructions.first().zip(self.instructions.last()) else {
            return Vec::new();
        };
        let own = first.address..=last.address;
        let loops = self.loops_with_rounds();
        let mut calls = Vec::new();
        // What was loaded from the table of functions elsewhere: register and name.
        let mut loaded = BTreeMap::new();
        for instruction in &self.instructions {
            if let Some((register, name)) = instruction.loads_function() {
                loaded.insert(register, name);
            } else if let Some((from, to)) = instruction.copies_register()
                && let Some(name) = loaded.get(from).cloned()
            {
                loaded.insert(to.to_owned(), name);
            }
            let target = instruction.target();
            let is_call = match &target {
                _ if instruction.is_call() => true,
                // A jump that leaves is a call at the end.
                Some((address, _)) => instruction.is_jump() && !own.contains(address),
                None => false,
            };
            if is_call {
                let name = target.map(|(_, name)| name).filter(|name| !name.is_empty());
                let name = name
                    .or_else(|| loaded.get(instruction.operands.trim_start_matches('*')).cloned());
                calls.push(Call {
                    address: instruction.address,
                    to: name.unwrap_or_else(|| instruction.operands.clone()),
                    among_rounds: loops.iter().any(|range| range.contains(&instruction.address)),
                });
            }
        }
        calls
    }

    /// Whether a loop in it has rounds of a hash function.
    pub fn has_rounds(&self) -> bool {
        !self.loops_with_rounds().is_empty()
    }

    /// The addresses of loops that have rounds: from where a jump backwards leads, up to the jump.
    fn loops_with_rounds(&self) -> Vec<std::ops::RangeInclusive<u64>> {
        let start = self.instructions.first().map_or(0, |first| first.address);
        // The longest loop from each address.
        let mut loops = BTreeMap::new();
        for jump in self.instructions.iter().filter(|instruction| instruction.is_jump()) {
            if let Some((to, _)) = jump.target()
                && (start..=jump.address).contains(&to)
            {
                loops.insert(to, jump.address);
            }
        }
        let has_rounds = |range: &std::ops::RangeInclusive<u64>| {
            let body = self.instructions.iter().filter(|body| range.contains(&body.address));
            body.filter(|instruction| instruction.is_of_a_round()).count() >= ROUNDS
        };
        loops.into_iter().map(|(from, to)| from..=to).filter(has_rounds).collect()
    }
}

impl Instruction {
    fn is_call(&self) -> bool {
        ["call", "callq", "bl", "blr"].contains(&self.mnemonic.as_str())
    }

    fn is_jump(&self) -> bool {
        let mnemonic = self.mnemonic.as_str();
        let arm = ["b", "cbz", "cbnz", "tbz", "tbnz"];
        mnemonic.starts_with('j') || mnemonic.starts_with("b.") || arm.contains(&mnemonic)
    }

    /// Rotations, what makes them of shifts, and the instructions for SHA-2 itself.
    fn is_of_a_round(&self) -> bool {
        const BEGINNINGS: [&str; 9] =
            ["sha", "vpro", "vpternlog", "vpsrl", "vpsll", "ushr", "shl", "sri", "sli"];
        // General registers are shifted for other reasons.
        let is_vector = self.operands.contains(['v', 'm']);
        is_vector && BEGINNINGS.iter().any(|start| self.mnemonic.starts_with(start))
    }

    /// The register and the name in `mov 0x1(%rip),%r14  # 1000 <memcpy@GLIBC_2.14>`.
    fn loads_function(&self) -> Option<(String, String)> {
        let (operands, _) = self.operands.split_once('#')?;
        let (_, register) = operands.trim().rsplit_once(',')?;
        let (_, name) = self.target().filter(|_| self.mnemonic == "mov")?;
        (!name.is_empty()).then(|| (register.to_owned(), name))
    }

    /// Both registers of `mov %rax,%r12`.
    fn copies_register(&self) -> Option<(&str, &str)> {
        let (from, to) = self.operands.split_once(',').filter(|_| self.mnemonic == "mov")?;
        (from.starts_with('%') && to.starts_with('%')).then_some((from, to))
    }

    /// The address and the name that the operands end with: `3652a0 <name+0x10>`.
    fn target(&self) -> Option<(u64, String)> {
        let (before, name) = match self.operands.split_once(" <") {
            Some((before, name)) => (before, name.strip_suffix('>').unwrap_or(name)),
            None => (self.operands.as_str(), ""),
        };
        let address = before.rsplit([' ', ',']).next()?;
        let address = u64::from_str_radix(address.trim_start_matches("0x"), 16).ok()?;
        Some((address, name.to_owned()))
    }
}

impl Call {
    /// Whether it ends the program.
    pub fn is_panic(&self) -> bool {
        ["panic", "_fail"].iter().any(|part| self.to.contains(part))
    }

    /// Whether it copies or fills memory, after a look at both sizes too. In a static program only
    /// what the C library chooses by the CPU goes by way of `.plt`, without a name: these
    /// functions, and others on strings.
    pub fn is_copy(&self) -> bool {
        let name = self.to.split(['@', '+']).next().unwrap_or_default();
        let checked = "core::slice::copy_from_slice_impl";
        ["memcpy", "memmove", "memset", ".plt", checked].contains(&name)
    }

    /// Whether a kernel may make it: where all is lost anyway, or before and after the rounds.
    pub fn is_harmless(&self) -> bool {
        self.is_panic() || (self.is_copy() && !self.among_rounds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A kernel with a loop of rounds from 1010 to 10a0; `call` stands in it.
    fn x86(call: &str) -> String {
        let mut text = "0000000000001000 <verity::hash::kernel::entered>:\n".to_owned();
        text += "    1000:\tcall   2000 <memcpy@plt>\n";
        for round in 0..16 {
            text += &format!("    {:x}:\tvprord $0x6,%zmm4,%zmm25\n", 0x1010 + 8 * round);
        }
        text += &format!("    1098:\t{call}\n");
        text += "    10a0:\tjne    1010 <verity::hash::kernel::entered+0x10>\n";
        text += "    10a8:\tcall   3000 <core::panicking::panic_bounds_check>\n";
        text + "    10b0:\tret\n"
    }

    fn faults(text: &str) -> Vec<String> {
        let [kernel] = &functions(text)[..] else { panic!("one function") };
        assert_eq!(kernel.name, "verity::hash::kernel::entered");
        let calls = kernel.calls().into_iter();
        calls.filter(|call| !call.is_harmless()).map(|call| call.to).collect()
    }

    #[test]
    fn panics_and_copies_before_the_rounds_are_harmless() {
        let text = x86("vpaddd %zmm0,%zmm1,%zmm2");
        assert!(faults(&text).is_empty());
        assert_eq!(functions(&text)[0].calls().len(), 2);
    }

    #[test]
    fn any_other_call_is_a_fault_and_so_is_a_copy_among_the_rounds() {
        for (call, name) in [
            (
                "call   4000 <<u32 as Lanes>::load::{closure#0}>",
                "<u32 as Lanes>::load::{closure#0}",
            ),
            ("call   2000 <memcpy@plt>", "memcpy@plt"),
            (
                "call   2000 <core::slice::copy_from_slice_impl>",
                "core::slice::copy_from_slice_impl",
            ),
            ("call   *%rbx", "*%rbx"),
            ("jmp    5000 <other>", "other"),
        ] {
            assert_eq!(faults(&x86(call)), [name]);
        }
    }

    #[test]
    fn a_call_by_a_register_is_one_of_what_was_loaded_there() {
        let mut text = "0000000000001000 <verity::hash::kernel::entered>:\n".to_owned();
        text += "    1000:\tmov    0x39df71(%rip),%r14        # 66a7d8 <memcpy@GLIBC_2.14>\n";
        text += "    1008:\tmov    %r14,%r12\n";
        text += "    1010:\tcall   *%r14\n    1018:\tcall   *%r12\n    1020:\tcall   *%r13\n";
        assert_eq!(faults(&text), ["*%r13"]);
    }

    #[test]
    fn arm_is_read_too() {
        let mut text = "0000000000001000 <k>:\n    1000:\tbl\t2000 <memcpy>\n".to_owned();
        for round in 0..16 {
            text += &format!("    {:x}:\tsha256h\tq0, q1, v2.4s\n", 0x1004 + 4 * round);
        }
        text += "    1044:\tbl\t2000 <memcpy>\n    1048:\tblr\tx8\n";
        text += "    104c:\tb.ne\t1004 <k+0x4>  // b.any\n";
        text += "    1050:\tcbz\tx0, 1000 <k>\n    1054:\tret\n";
        let calls = functions(&text)[0].calls();
        let among: Vec<_> =
            calls.iter().map(|call| (call.to.as_str(), call.among_rounds)).collect();
        // The last jump makes a loop of all.
        assert_eq!(among, [("memcpy", true), ("memcpy", true), ("x8", true)]);
    }
}
