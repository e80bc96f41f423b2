//! The files of the page, in the program.

/// One file.
pub struct PageFile {
    /// Its address.
    pub path: &'static str,
    /// What it is.
    pub mime: &'static str,
    /// All of it.
    pub content: &'static str,
}

const SCRIPT: &str = "text/javascript; charset=utf-8";

/// All files there are.
pub const FILES: &[PageFile] = &[
    PageFile {
        path: "/",
        mime: "text/html; charset=utf-8",
        content: include_str!("page/index.html"),
    },
    PageFile {
        path: "/style.css",
        mime: "text/css; charset=utf-8",
        content: include_str!("page/style.css"),
    },
    PageFile { path: "/icon.svg", mime: "image/svg+xml", content: include_str!("page/icon.svg") },
    PageFile { path: "/main.js", mime: SCRIPT, content: include_str!("page/main.js") },
    PageFile { path: "/server.js", mime: SCRIPT, content: include_str!("page/server.js") },
    PageFile { path: "/drawing.js", mime: SCRIPT, content: include_str!("page/drawing.js") },
    PageFile { path: "/camera.js", mime: SCRIPT, content: include_str!("page/camera.js") },
    PageFile { path: "/results.js", mime: SCRIPT, content: include_str!("page/results.js") },
];
