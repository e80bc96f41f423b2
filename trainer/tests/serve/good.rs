//! What the page asks for.

use std::collections::BTreeSet;

use lookalike_trainer::files::{CodeKind, LoadedGallery, load_gallery};
use lookalike_trainer::serve::Limits;
use serde_json::Value;

use super::client::{Server, picture, trained};

const CODES: [&str; 5] = ["f32", "u8", "projected", "binary", "two-stage"];

fn labels(found: &Value) -> Vec<&str> {
    let matches = found["matches"].as_array().unwrap();
    matches.iter().map(|hit| hit["label"].as_str().unwrap()).collect()
}

#[test]
fn the_page_is_served_with_its_protection() {
    let server = Server::new(Limits::default(), None);
    let files = [
        ("/", "text/html"),
        ("/style.css", "text/css"),
        ("/icon.svg", "image/svg+xml"),
        ("/main.js", "text/javascript"),
    ];
    for (path, mime) in files {
        let answer = server.get(path);
        assert_eq!(answer.status, 200);
        assert!(answer.headers["content-type"].starts_with(mime), "{path}");
        let head = server.ask("HEAD", path, b"");
        assert_eq!((head.status, head.body.len()), (200, 0));
    }
    for path in ["/", "/main.js", "/api/about", "/thumbnail/0", "/api/gallery?code=u8", "/nothing"]
    {
        let headers = server.get(path).headers;
        let policy = &headers["content-security-policy"];
        assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{path}");
        assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"));
        assert_eq!(headers["x-content-type-options"], "nosniff");
        assert_eq!(headers["cross-origin-resource-policy"], "same-origin");
        assert!(headers.keys().all(|name| !name.starts_with("access-control")), "{path}");
    }
}

#[test]
fn what_there_is_is_told() {
    let server = Server::new(Limits::default(), None);
    let about = server.get("/api/about").json();
    assert_eq!(about["input"], serde_json::json!([20, 20, 1]));
    assert_eq!((&about["items"], &about["enrolled"]), (&60.into(), &serde_json::json!([])));
    let codes = about["codes"].as_array().unwrap();
    assert!(codes.iter().map(|code| code["code"].as_str().unwrap()).eq(CODES));
    assert_eq!(codes[0]["item_bytes"], 4 * 32);
    assert_eq!(codes[3]["item_bytes"], 4);
    assert_eq!((&codes[0]["int8"], &codes[1]["int8"]), (&false.into(), &true.into()));
}

/// The same ids and distances as `trainer search` gives, in every code.
#[test]
fn a_search_is_the_command_lines() {
    let server = Server::new(Limits::default(), None);
    let (model, int8, data) = trained();
    for (code, name) in [
        (CodeKind::F32, "f32"),
        (CodeKind::U8, "u8"),
        (CodeKind::Projected, "projected"),
        (CodeKind::Binary, "binary"),
        (CodeKind::TwoStage, "two-stage"),
    ] {
        let model = if code == CodeKind::F32 { model } else { int8 };
        let gallery = LoadedGallery::of(model, data, code).unwrap();
        for class in 0..3 {
            let found = server.ask(
                "POST",
                &format!("/api/search?code={name}&k=7&as=as-it-is"),
                &picture(class),
            );
            let found = found.json();
            assert_eq!(labels(&found)[0], class.to_string(), "{name}");

            let mut query = data.subset(&[0]);
            let decoded = image::load_from_memory(&picture(class)).unwrap();
            query.pixels = decoded.into_luma8().into_raw();
            let expected = &gallery.search(model, &query, 7).unwrap()[0];
            let hits = found["matches"].as_array().unwrap();
            assert_eq!(hits.len(), 7);
            for (hit, expected) in hits.iter().zip(expected) {
                assert_eq!(hit["id"], expected.id, "{name}");
                let distance = hit["distance"].as_f64().unwrap();
                assert!((distance - f64::from(expected.distance)).abs() < 1e-6);
            }
        }
    }
}

#[test]
fn what_is_enrolled_is_found_in_every_code_until_it_is_removed() {
    let server = Server::new(Limits::default(), None);
    let file = picture(1);
    let answer = server.ask("POST", "/api/enrol?name=my+m%C3%BCg&as=inverted", &file);
    assert_eq!(answer.status, 201, "{}", answer.text());
    assert_eq!(answer.json(), serde_json::json!({ "id": 60, "name": "my müg" }));
    for code in CODES {
        let target = format!("/api/search?code={code}&as=inverted&k=61");
        let found = server.ask("POST", &target, &file).json();
        let hits = found["matches"].as_array().unwrap();
        let own = hits.iter().find(|hit| hit["id"] == 60).unwrap();
        assert_eq!((&own["label"], &own["enrolled"]), (&"my müg".into(), &true.into()));
        assert_eq!(own["distance"], hits[0]["distance"], "{code}");
    }
    let shown = server.get("/thumbnail/60");
    let shown = image::load_from_memory(&shown.body).unwrap().into_luma8();
    let mut inverted = image::load_from_memory(&file).unwrap().into_luma8();
    image::imageops::invert(&mut inverted);
    assert_eq!(shown, inverted);

    assert_eq!(server.ask("DELETE", "/api/items/60", b"").json()["name"], "my müg");
    assert_eq!(server.get("/thumbnail/60").status, 404);
    let found = server.ask("POST", "/api/search?code=u8&as=inverted", &file).json();
    assert!(!labels(&found).contains(&"my müg"));
    assert_eq!(server.ask("DELETE", "/api/items/60", b"").status, 404);
    // Its id is not used again.
    assert_eq!(server.ask("POST", "/api/enrol?name=b", &file).json()["id"], 61);
}

#[test]
fn the_gallery_is_had_as_a_file() {
    let server = Server::new(Limits::default(), None);
    for name in ["zebra", "ant", "zebra"] {
        let target = format!("/api/enrol?name={name}");
        assert_eq!(server.ask("POST", &target, &picture(2)).status, 201);
    }
    server.ask("DELETE", "/api/items/61", b"");
    let directory = tempfile::tempdir().unwrap();
    for code in CODES {
        let answer = server.get(&format!("/api/gallery?code={code}"));
        let disposition = format!("attachment; filename=\"{code}.gallery\"");
        assert_eq!(answer.headers["content-disposition"], disposition);
        let path = directory.path().join(code);
        std::fs::write(&path, &answer.body).unwrap();
        let gallery = load_gallery(&path).unwrap();
        assert_eq!(gallery.code().name(), code);
        let (model, int8, data) = trained();
        let model = if code == "f32" { model } else { int8 };
        assert_eq!(gallery.fingerprint(), model.fingerprint);
        let given = data.labels.iter().map(u16::to_string);
        let expected = given.chain(["zebra".into(), "zebra".into()]);
        assert!(gallery.labels().iter().cloned().eq(expected));
    }
}

#[test]
fn items_have_pictures() {
    let server = Server::new(Limits::default(), None);
    let data = &trained().2;
    for id in [0, 59] {
        let answer = server.get(&format!("/thumbnail/{id}?start=1"));
        assert_eq!(answer.headers["content-type"], "image/png");
        let picture = image::load_from_memory(&answer.body).unwrap().into_luma8();
        assert_eq!(*picture.as_raw(), data.image(id));
    }
    assert_eq!(server.get("/thumbnail/60").status, 404);
}

#[test]
fn what_was_enrolled_is_there_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("mine");
    let first = Server::new(Limits::default(), Some(file.clone()));
    for name in ["a", "b", "c"] {
        assert_eq!(first.ask("POST", &format!("/api/enrol?name={name}"), &picture(0)).status, 201);
    }
    assert_eq!(first.ask("DELETE", "/api/items/61", b"").status, 200);
    let kept = std::fs::read(&file).unwrap();

    let second = Server::new(Limits::default(), Some(file.clone()));
    let about = second.get("/api/about").json();
    let names: BTreeSet<&str> =
        about["enrolled"].as_array().unwrap().iter().map(|e| e["name"].as_str().unwrap()).collect();
    assert_eq!(names, BTreeSet::from(["a", "c"]));
    assert_eq!(std::fs::read(&file).unwrap(), kept);
}

/// Nothing is confirmed that is not kept.
#[test]
fn a_file_that_cannot_be_written_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("mine");
    let server = Server::new(Limits::default(), Some(file.clone()));
    assert_eq!(server.ask("POST", "/api/enrol?name=a", &picture(0)).status, 201);
    drop(directory);
    let refused = server.ask("POST", "/api/enrol?name=b", &picture(0));
    assert_eq!(refused.status, 500);
    assert!(refused.error().contains("cannot write the file"), "{}", refused.error());
    assert_eq!(server.ask("DELETE", "/api/items/60", b"").status, 500);
    let about = server.get("/api/about").json();
    assert_eq!(about["enrolled"], serde_json::json!([{ "id": 60, "name": "a" }]));
    let found = server.ask("POST", "/api/search?code=f32&k=62", &picture(0)).json();
    assert_eq!(found["matches"].as_array().unwrap().len(), 61);
    assert_eq!(labels(&found)[..1], ["a"]);
}
