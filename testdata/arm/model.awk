# From the instructions of the kernels (kernel, address, mnemonic, operands) and a trace of what was executed:
# what a chunk of one message costs each kernel, and the model of two cores.
#
# Latency and reciprocal throughput, in cycles, of the instructions that all go through one unit. Neoverse V2: Arm's
# Software Optimization Guide (PJDOC-466751330-593177), as LLVM has it in AArch64SchedNeoverseV2.td: unit V0 of four
# vector units, three loads a cycle. Firestorm, the large core of Apple's M1, measured by
# Dougall Johnson (dougallj.github.io/applecpu/firestorm-simd.html): unit 14 of four (11 to 14), three loads a cycle; a
# range of latencies is from operand to operand. Later M cores: no table is public. Both take up to eight instructions a
# cycle into their back ends.

BEGIN {
    cores[1] = "V2"; cores[2] = "Firestorm"
    # So many cycles of the one unit for each instruction of rounds, and for each of the schedule.
    rounds_each["V2"] = 1; rounds_each["Firestorm"] = 2
    schedule_each["V2"] = 1; schedule_each["Firestorm"] = 1
    # Cycles from one group of rounds of a message to the next. sha256: the second instruction of four rounds waits for
    # the unit, and the next four for its result. sha512: sha512h, add, ext.
    chain["V2", 256] = 16 * (1 + 4)
    chain["Firestorm", 256] = 16 * (2 + 4)
    chain["V2", 512] = 40 * (2 + 2 + 2)
    chain["Firestorm", 512] = 40 * (2 + 2 + 2)
}

FNR == NR {
    kernel[$2] = $1; mnemonic[$2] = $3; operands[$2] = $4
    if (!($1 in seen)) { seen[$1] = 1; order[++kernels] = $1 }
    next
}

# Trace 0: 0x7f... [00000000/0000000000401234/...] symbol
/^Trace / {
    split($0, field, "/")
    address = field[2]; sub(/^0+/, "", address)
    if (!(address in kernel)) next
    what = class(mnemonic[address], operands[address])
    executed[kernel[address], what]++
    executed[kernel[address], "all"]++
}

function class(mnemonic, operands) {
    if (mnemonic ~ /^sha(256|512)h2?$/) return "rounds"
    if (mnemonic ~ /^sha(256|512)su[01]$/) return "schedule"
    if (mnemonic ~ /^(ldr|ldp|ldur|ld1|ldrb|ldrh)/) return "loads"
    if (mnemonic ~ /^(str|stp|stur|st1|strb|strh)/) return "stores"
    if (mnemonic == "mov" && operands ~ /^v/) return "copies"
    if (operands ~ /(^|[,{])[vqds][0-9]+/) return "vector"
    return "others"
}

function most(a, b) { return a > b ? a : b }

END {
    print "| kernel | messages | all | rounds | schedule | vector | copies | loads | stores | others |"
    print "|---|---|---|---|---|---|---|---|---|---|"
    for (i = 1; i <= kernels; i++) {
        name = order[i]
        if (!executed[name, "all"]) { print "never executed: " name > "/dev/stderr"; failed = 1; continue }
        size = name ~ /sha512/ ? 512 : 256
        lanes = name; sub(/.*_x/, "", lanes)
        # 4128 bytes and the padding.
        chunks[name] = (size == 512 ? 33 : 65) * lanes
        wanted = (name ~ /neon/ ? 0 : (size == 512 ? 80 : 32)) * chunks[name]
        if (executed[name, "rounds"] + 0 != wanted) {
            print name " has " executed[name, "rounds"] + 0 " instructions of rounds, not " wanted > "/dev/stderr"
            failed = 1
        }
        printf "| %s | %d | %.0f", name, lanes, executed[name, "all"] / chunks[name]
        split("rounds schedule vector copies loads stores others", columns, " ")
        for (j = 1; j <= 7; j++) printf " | %.1f", executed[name, columns[j]] / chunks[name]
        print " |"
    }
    print ""
    print "| kernel | core | the unit | waiting | vector units | loads | front end | cycles a chunk | bytes a cycle |"
    print "|---|---|---|---|---|---|---|---|---|"
    for (i = 1; i <= kernels; i++) {
        name = order[i]
        size = name ~ /sha512/ ? 512 : 256
        lanes = name; sub(/.*_x/, "", lanes)
        for (j = 1; j <= 2; j++) {
            core = cores[j]
            each = 1 / chunks[name]
            unit = (executed[name, "rounds"] * rounds_each[core] + executed[name, "schedule"] * schedule_each[core]) * each
            waiting = name ~ /neon/ ? 0 : chain[core, size] / lanes
            # A register's copy takes no unit, mostly; it is left to the front end.
            vector = (executed[name, "rounds"] + executed[name, "schedule"] + executed[name, "vector"]) * each / 4
            loads = executed[name, "loads"] * each / 3
            front = executed[name, "all"] * each / 8
            cycles = most(most(most(unit, waiting), most(vector, loads)), front)
            bytes = size == 512 ? 128 : 64
            # The padding is hashed too.
            share = 4096 / (bytes * (size == 512 ? 33 : 65))
            printf "| %s | %s | %.0f | %.0f | %.0f | %.0f | %.0f | %.0f | %.2f |\n", name, core, unit, waiting, vector, loads, front, cycles, bytes / cycles * share
        }
    }
    exit failed
}
