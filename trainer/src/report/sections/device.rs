//! What the models need on a device.

use lookalike::{Packing, Shape};
use maud::{Markup, html};

use super::super::Report;
use super::super::page::{Section, wide};
use crate::device::{Footprint, Member, Planner, footprints, grouped};
use crate::files::LoadedModel;

/// The section.
pub fn section(report: &Report<'_>) -> Section {
    let first = report.first();
    let models =
        || report.entries.iter().filter_map(|entry| Some((entry.name.as_str(), entry.model?)));
    let int8 = report.options.int8.map(|int8| ("its int8 model", int8));
    let detailed = first.model.map(|model| (first.name.as_str(), model));
    let body = html! {
        (files(&models().chain(int8).collect::<Vec<_>>()))
        div.beside {
            @if let Some((name, model)) = detailed { div { (deployments(name, model)) } }
            div {
                @for (name, model) in detailed.into_iter().chain(int8) { (boards(name, model)) }
                p.small { "Code and stack are measured with the example firmware, within 1 %." }
            }
        }
    };
    Section { id: "device", title: "On a device", body }
}

fn packing(model: &LoadedModel) -> Option<Packing> {
    model.quantized().map(|quantized| quantized.packing)
}

fn number(n: u64) -> Markup {
    html! { td { (grouped(n)) } }
}

fn files(models: &[(&str, &LoadedModel)]) -> Markup {
    wide(
        "Model files",
        html! { table {
            caption { "The model files" }
            thead { tr { @for heading in
                ["model", "numbers", "parameters", "multiply-accumulates", "flash bytes", "workspace bytes"]
                { th scope="col" { (heading) } }
            } }
            tbody { @for (name, model) in models {
                @let network = &model.network;
                tr {
                    th scope="row" { (name) }
                    td { @match packing(model) {
                        None => "f32",
                        Some(Packing::Compact) => "int8, compact",
                        Some(Packing::Fast) => "int8, fast",
                    } }
                    (number(network.parameters() as u64))
                    (number(network.multiply_accumulates().iter().sum()))
                    (number(model.file().len() as u64))
                    (number(match packing(model) {
                        None => network.workspace_bytes(),
                        Some(packing) => network.int8_workspace_bytes(packing),
                        } as u64))
                }
            } }
        } },
    )
}

/// The network in each deployment there is.
fn deployments(name: &str, model: &LoadedModel) -> Markup {
    // Searching needs no classifier.
    let network = model.network.without_classifier();
    let Shape { height, width, channels } = network.input();
    let planner = Planner::new([channels, height, width].map(|side| side as u16), &[]);
    let Ok(member) = Member::new(&network, &planner) else { return html! {} };
    html! {
        (wide("Deployments", html! { table {
            caption { "The network of " (name) ", embedding and searching, by how it is deployed" }
            thead { tr { @for heading in
                ["deployment", "model bytes", "flash bytes", "workspace bytes", "RAM bytes"]
                { th scope="col" { (heading) } }
            } }
            tbody { @for cost in &member.costs { tr {
                th scope="row" { (cost.deployment.name()) }
                (number(cost.model_bytes))
                (number(cost.flash_bytes))
                (number(cost.workspace_bytes))
                (number(cost.ram_bytes))
            } } }
        } }))
        p.small {
            "Flash holds the model and the example firmware around it, RAM the workspace, the deepest "
            "stack and variables: the most that any of the measured boards needs. A gallery comes on "
            "top, with " (member.gallery_item_bytes) " bytes for each item in u8."
        }
    }
}

fn boards(name: &str, model: &LoadedModel) -> Markup {
    let boards = footprints(&model.network, packing(model), model.file().len() as u64);
    if boards.is_empty() {
        return html! {};
    }
    html! {
        (wide(&format!("Boards, with {name}"), html! { table {
            caption { "Boards, with " (name) }
            thead { tr { @for heading in
                ["board", "flash bytes", "of it code", "static RAM", "stack bytes"]
                { th scope="col" { (heading) } }
            } }
            tbody { @for Footprint { board, processor, flash_bytes, code_bytes, static_ram_bytes, stack_bytes }
                in &boards { tr {
                    th scope="row" { (processor) " (" (board) ")" }
                    @for bytes in [flash_bytes, code_bytes, static_ram_bytes, stack_bytes] {
                        (number(*bytes))
                    }
            } } }
        } }))
    }
}
