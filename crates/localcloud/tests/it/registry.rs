//! The registry, by hand and with skopeo.

use serde_json::json;

use crate::support::{Server, archive, digest, within};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blobs_in_chunks_ranges_and_wrong_digests() {
    within(async {
        let s = Server::start().await;
        let begun = s.registry("POST", "/v2/a/b/blobs/uploads/", "").await;
        assert_eq!(begun.status, 202);
        let place = begun.header("location").to_owned();
        let first = s.registry_with("PATCH", &place, &[("content-range", "0-4")], b"hello").await;
        assert_eq!((first.status, first.header("range")), (202, "0-4"));
        let wrong = s.registry_with("PATCH", &place, &[("content-range", "9-12")], b"late").await;
        assert_eq!(wrong.status, 416);
        let d = digest(b"hello world");
        let done = s.registry("PUT", &format!("{place}?digest={d}"), " world").await;
        assert_eq!((done.status, done.header("docker-content-digest")), (201, d.as_str()));
        let blob = format!("/v2/a/b/blobs/{d}");
        let head = s.registry("HEAD", &blob, "").await;
        assert_eq!((head.status, head.header("content-length")), (200, "11"));
        let part = s.registry_with("GET", &blob, &[("range", "bytes=6-")], b"").await;
        assert_eq!(
            (part.status, part.text().as_str(), part.header("content-range")),
            (206, "world", "bytes 6-10/11")
        );
        assert_eq!(
            s.registry("HEAD", &format!("/v2/other/blobs/{d}"), "").await.status,
            404,
            "not of this repository"
        );
        let mount = s.registry("POST", &format!("/v2/c/blobs/uploads/?mount={d}&from=a/b"), "").await;
        assert_eq!(mount.status, 201);
        assert_eq!(s.registry("GET", &format!("/v2/c/blobs/{d}"), "").await.text(), "hello world");
        let lie = s.registry("POST", &format!("/v2/a/b/blobs/uploads/?digest={d}"), "something else").await;
        assert_eq!((lie.status, lie.json()["errors"][0]["code"].as_str()), (400, Some("DIGEST_INVALID")));
        s.end().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn manifests_keep_their_bytes_and_name_only_what_is_there() {
    within(async {
        let s = Server::start().await;
        let missing = json!({"schemaVersion": 2, "config": {"digest": digest(b"none")}, "layers": []});
        let refused = s.registry("PUT", "/v2/web/manifests/v1", missing.to_string()).await;
        assert_eq!(
            (refused.status, refused.json()["errors"][0]["code"].as_str()),
            (404, Some("MANIFEST_BLOB_UNKNOWN"))
        );
        let config = s.push_blob("web", b"{}").await;
        // Odd spacing and order must survive, since the digest covers the bytes.
        let text = format!("{{ \"layers\":[],  \"schemaVersion\":2,\"config\":{config} }}");
        let media = "application/vnd.oci.image.manifest.v1+json";
        let put =
            s.registry_with("PUT", "/v2/web/manifests/v1", &[("content-type", media)], text.as_bytes()).await;
        assert_eq!(
            (put.status, put.header("docker-content-digest")),
            (201, digest(text.as_bytes()).as_str())
        );
        for reference in ["v1", &digest(text.as_bytes())] {
            let got = s.registry("GET", &format!("/v2/web/manifests/{reference}"), "").await;
            assert_eq!((got.text(), got.header("content-type")), (text.clone(), media));
            let head = s.registry("HEAD", &format!("/v2/web/manifests/{reference}"), "").await;
            assert_eq!(head.header("content-length"), text.len().to_string());
        }
        let other = format!("/v2/web/manifests/{}", digest(b"x"));
        assert_eq!(
            s.registry("PUT", &other, text.clone()).await.status,
            400,
            "another digest than the path's"
        );
        // OCI distribution spec 1.1, "Content Discovery".
        let tags = s.registry("GET", "/v2/web/tags/list", "").await;
        assert_eq!((tags.status, tags.text()), (200, r#"{"name":"web","tags":["v1"]}"#.to_owned()));
        let anonymous =
            crate::support::http("GET", &format!("http://{}/v2/", s.registry), &[], "").await.unwrap();
        assert_eq!(
            (anonymous.status, anonymous.header("www-authenticate").starts_with("Basic")),
            (401, true)
        );
        assert_eq!(s.with_token("tok-b").registry("GET", "/v2/web/manifests/v1", "").await.status, 403);
        assert_eq!(s.registry("DELETE", "/v2/web/manifests/v1", "").await.status, 202);
        assert_eq!(s.registry("GET", "/v2/web/manifests/v1", "").await.status, 404);
        s.end().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn skopeo_pushes_copies_and_inspects() {
    within(async {
        let s = Server::start().await;
        let skopeo = async |args: &[&str]| {
            let output = tokio::process::Command::new("skopeo").args(args).output().await;
            output.map(|o| {
                assert!(o.status.success(), "skopeo {args:?}: {}", String::from_utf8_lossy(&o.stderr));
                String::from_utf8_lossy(&o.stdout).into_owned()
            })
        };
        if skopeo(&["--version"]).await.is_err() {
            println!("not run: skopeo is not installed");
            s.end().await;
            return;
        }
        let digest = s.push("web", "v1", &[]).await;
        let dir = s.dir.path().join("layout");
        let (from, to) =
            (format!("docker://{}/web:v1", s.registry), format!("docker://{}/copy:v1", s.registry));
        let layout = format!("oci:{}:v1", dir.display());
        let open = ["--src-tls-verify=false", "--dest-tls-verify=false"];
        let both = ["--src-creds", "x:tok-a", "--dest-creds", "x:tok-a"];
        skopeo(
            &[&["--insecure-policy", "copy", "--preserve-digests"], &open[..], &both[..], &[&from, &to]]
                .concat(),
        )
        .await
        .unwrap();
        skopeo(
            &[&["--insecure-policy", "copy", "--preserve-digests"], &open[..], &both[..2], &[&to, &layout]]
                .concat(),
        )
        .await
        .unwrap();
        let pushed = format!("docker://{}/again:v1", s.registry);
        skopeo(
            &[
                &["--insecure-policy", "copy", "--preserve-digests"],
                &open[..],
                &both[2..],
                &[&layout, &pushed],
            ]
            .concat(),
        )
        .await
        .unwrap();
        for image in [&from, &to, &pushed] {
            let args =
                ["inspect", "--tls-verify=false", "--creds", "x:tok-a", "--format", "{{.Digest}}", image];
            assert_eq!(skopeo(&args).await.unwrap().trim(), digest, "{image}");
        }
        s.end().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_index_runs_its_platforms_image() {
    within(async {
        let s = Server::start().await;
        s.app("web").await;
        let child = s.push("web", "amd64", &[]).await;
        let size = s.registry("GET", &format!("/v2/web/manifests/{child}"), "").await.body.len();
        let platform = |arch: &str| {
            json!({"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": child, "size": size,
                   "platform": {"os": "linux", "architecture": arch}})
        };
        let index = json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json",
                           "manifests": [platform("amd64"), platform("arm64")]});
        let put = s.registry("PUT", "/v2/web/manifests/multi", index.to_string()).await;
        assert_eq!(put.status, 201, "{}", put.text());
        let id = s.started("web", json!({"config": s.config("web:multi")})).await;
        let machine = s.machine("web", &id).await;
        assert_eq!(machine["image_ref"]["digest"], put.header("docker-content-digest"), "as it was named");
        s.end().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bundle_that_leads_out_is_refused() {
    within(async {
        let s = Server::start().await;
        let mut bytes = archive(&[("xx/evil", b"x", 0o644)]);
        bytes[..2].copy_from_slice(b"..");
        // The header's checksum covers the name: two bytes from `x` (0x78) to `.` (0x2e).
        let sum: u32 = bytes[..512]
            .iter()
            .enumerate()
            .map(|(i, b)| if (148..156).contains(&i) { 32 } else { u32::from(*b) })
            .sum();
        bytes[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        let mut layer = s.push_blob("page", &bytes).await;
        layer["mediaType"] = json!("application/vnd.oci.image.layer.v1.tar");
        let config = s.push_blob("page", b"{}").await;
        let manifest = json!({"schemaVersion": 2, "config": config, "layers": [layer]});
        s.registry("PUT", "/v2/page/manifests/evil", manifest.to_string()).await;
        let body = json!({"artifact": format!("{}/page:evil", s.registry)});
        let refused = s.call("POST", "/localcloud/v1/sites/page", Some(body)).await;
        assert!(refused.status == 422 && refused.text().contains("leads out"), "{}", refused.text());
        assert!(!s.dir.path().join("sites/page/evil").exists());
        s.end().await;
    })
    .await;
}
