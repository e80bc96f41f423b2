//! Tells the source which machine instructions the target has: a stable
//! compiler does not show Arm's features to `cfg`.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(arm_vfma)");
    let target = env::var("TARGET").unwrap_or_default();
    // Cortex-M4F, M7F, M33F and later. Other Arm targets with hard floats may
    // have an older FPU without a fused multiply-add.
    let cortex_m = target.starts_with("thumbv7em-") || target.starts_with("thumbv8m.main-");
    if cortex_m && target.ends_with("eabihf") {
        println!("cargo::rustc-cfg=arm_vfma");
    }
}
