//! Tells the source which machine instructions the target has: a stable
//! compiler does not show Arm's features to `cfg`.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    for name in ["machine", "arm_vfma", "arm_dsp", "arm_v6m", "short_multiply"] {
        println!("cargo::rustc-check-cfg=cfg({name})");
    }
    let target = env::var("TARGET").unwrap_or_default();
    let v6m = target.starts_with("thumbv6m-") || target.starts_with("thumbv8m.base-");
    if v6m {
        // No instruction gives the high half of a product.
        println!("cargo::rustc-cfg=short_multiply");
    }
    if env::var_os("CARGO_FEATURE_PORTABLE").is_some() {
        return;
    }
    let hard_float = target.ends_with("eabihf");
    let v7em = target.starts_with("thumbv7em-");
    // Of Armv8-M the processors with an FPU: those without often lack the DSP
    // instructions too.
    let v8m_main = target.starts_with("thumbv8m.main-") && hard_float;
    let has = [
        // Cortex-M4F, M7F, M33F and later. Other Arm targets with hard floats
        // may have an older FPU without a fused multiply-add.
        ("arm_vfma", (v7em && hard_float) || v8m_main),
        // Not Armv8-M, some of whose processors have the instructions: for its
        // targets the assembler refuses them.
        ("arm_dsp", v7em),
        ("arm_v6m", v6m),
    ];
    for (name, _) in has.iter().filter(|(_, has)| *has) {
        println!("cargo::rustc-cfg={name}");
    }
    if has.iter().any(|(_, has)| *has) {
        println!("cargo::rustc-cfg=machine");
    }
}
