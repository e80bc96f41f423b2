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
        content: concat!(include_str!("page/theme.css"), include_str!("page/style.css")),
    },
    PageFile { path: "/icon.svg", mime: "image/svg+xml", content: include_str!("page/icon.svg") },
    PageFile { path: "/main.js", mime: SCRIPT, content: include_str!("page/main.js") },
    PageFile { path: "/server.js", mime: SCRIPT, content: include_str!("page/server.js") },
    PageFile { path: "/drawing.js", mime: SCRIPT, content: include_str!("page/drawing.js") },
    PageFile { path: "/camera.js", mime: SCRIPT, content: include_str!("page/camera.js") },
    PageFile { path: "/results.js", mime: SCRIPT, content: include_str!("page/results.js") },
];

#[cfg(test)]
mod tests {
    use super::*;

    /// The namespace of SVG is a name: nothing is fetched from there.
    const NAMESPACE: &str = "http://www.w3.org/2000/svg";

    #[test]
    fn nothing_comes_from_elsewhere() {
        for PageFile { path, content, .. } in FILES {
            let content = content.replace(NAMESPACE, "");
            for address in ["https://", "http://", "//cdn", "url(", "@import \"//"] {
                // A sentence names the page's own address.
                let content = content.replace("http://localhost", "");
                assert!(!content.contains(address), "{path}: {address}");
            }
        }
    }

    #[test]
    fn all_that_the_files_name_is_there() {
        for PageFile { path, content, .. } in FILES {
            let named = content.split('"').filter(|text| {
                text.starts_with('/') && [".js", ".css", ".svg"].iter().any(|e| text.ends_with(e))
            });
            for name in named {
                assert!(FILES.iter().any(|file| file.path == name), "{path}: {name}");
            }
        }
    }

    #[test]
    fn the_policy_of_the_answers_suffices() {
        for PageFile { path, content, .. } in FILES {
            for inline in ["<style", " style=", " onclick=", "javascript:", "innerHTML", "eval("] {
                assert!(!content.contains(inline), "{path}: {inline}");
            }
            assert_eq!(
                content.matches("<script").count(),
                content.matches("<script type=\"module\" src=").count()
            );
        }
    }
}
