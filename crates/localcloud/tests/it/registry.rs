//! The registry, by hand and with skopeo.

use localcloud::{Right, Scope};
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

/// What a copy across organisations needs is less than what a deploy needs: fly.md 5 (authorization per organization,
/// deploy tokens of one app), 1.1 (403 where a token does not reach).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_pulls_or_pushes_deploys_nothing() {
    within(async {
        let s = Server::start_with(|o| {
            let scoped = |right| Scope::new(right);
            o.orgs = std::mem::take(&mut o.orgs)
                .with_scoped("tok-pull", "acme", scoped(Right::Pull))
                .with_scoped("tok-push", "acme", scoped(Right::Push))
                .with_scoped("tok-push-web", "acme", scoped(Right::Push).of_app("web"))
                .with_scoped("tok-deploy-web", "acme", scoped(Right::Deploy).of_app("web"));
        })
        .await;
        s.app("web").await;
        s.app("api").await;
        let digest = s.push("web", "v1", &[]).await;
        let blob = s.push_blob("web", b"a layer").await["digest"].as_str().unwrap().to_owned();
        let manifest = format!("/v2/web/manifests/{digest}");
        let begin = "/v2/web/blobs/uploads/";

        let (pull, push) = (s.with_token("tok-pull"), s.with_token("tok-push"));
        for reader in [&pull, &push, &s.with_token("tok-push-web"), &s.with_token("tok-deploy-web")] {
            assert_eq!(reader.registry("GET", &manifest, "").await.status, 200);
            assert_eq!(reader.registry("HEAD", &format!("/v2/web/blobs/{blob}"), "").await.status, 200);
        }
        assert_eq!(pull.registry("POST", begin, "").await.status, 403);
        assert_eq!(pull.registry("PUT", "/v2/web/manifests/mine", "{}").await.status, 403);
        assert_eq!(pull.registry("DELETE", &manifest, "").await.status, 403);
        assert_eq!(push.registry("POST", begin, "").await.status, 202);
        assert_eq!(push.registry("DELETE", &manifest, "").await.status, 403, "a push adds");
        let narrow = s.with_token("tok-push-web");
        assert_eq!(narrow.registry("POST", begin, "").await.status, 202);
        assert_eq!(narrow.registry("POST", "/v2/api/blobs/uploads/", "").await.status, 403);
        // A mount reads the other repository.
        let mount = format!("/v2/web/blobs/uploads/?mount={blob}&from=api");
        assert_eq!(narrow.registry("POST", &mount, "").await.status, 202, "not mounted");

        let machine = json!({"config": s.config("web:v1")});
        for weak in [&pull, &push, &narrow] {
            for (method, path) in [
                ("GET", "/v1/apps/web"),
                ("GET", "/v1/apps/web/machines"),
                ("POST", "/v1/apps/web/machines"),
                ("GET", "/v1/apps/web/secrets"),
                ("POST", "/v1/apps"),
                ("GET", "/v1/apps?org_slug=acme"),
            ] {
                let refused = weak.call(method, path, Some(machine.clone())).await;
                assert_eq!(refused.status, 403, "{method} {path}: {}", refused.text());
                assert!(refused.text().contains("may not deploy"), "{}", refused.text());
            }
        }
        let deploy = s.with_token("tok-deploy-web");
        assert_eq!(deploy.call("GET", "/v1/apps/web/machines", None).await.status, 200);
        assert_eq!(deploy.call("GET", "/v1/apps/api/machines", None).await.status, 403);
        assert_eq!(
            s.with_token("tok-b").registry("GET", &manifest, "").await.status,
            403,
            "another organisation"
        );
        s.end().await;
    })
    .await;
}

/// Retention takes what no tag names; what a tag names stays with all that is below it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_prune_takes_what_no_tag_names() {
    within(async {
        let s = Server::start().await;
        s.app("web").await;
        let kept = s.push("web", "amd64", &[]).await;
        let size = s.registry("GET", &format!("/v2/web/manifests/{kept}"), "").await.body.len();
        let entry = json!({"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": kept, "size": size,
                           "platform": {"os": "linux", "architecture": "amd64"}});
        let index = json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json",
                           "manifests": [entry]});
        let index = s.registry("PUT", "/v2/web/manifests/multi", index.to_string()).await;
        let index = index.header("docker-content-digest").to_owned();
        let taken = s.push("web", "old", &[]).await;
        for tag in ["amd64", "old"] {
            assert_eq!(s.registry("DELETE", &format!("/v2/web/manifests/{tag}"), "").await.status, 202);
        }
        let foreign = s.with_token("tok-b");
        assert_eq!(foreign.ok("POST", "/localcloud/v1/registry/prune", None).await, json!({"pruned": []}));
        let pruned = s.ok("POST", "/localcloud/v1/registry/prune", None).await;
        assert_eq!(pruned, json!({"pruned": [format!("{}/web@{taken}", s.registry)]}));
        for (digest, status) in [(&kept, 200), (&index, 200), (&taken, 404)] {
            let path = format!("/v2/web/manifests/{digest}");
            assert_eq!(s.registry("GET", &path, "").await.status, status, "{digest}");
        }
        s.end().await;
    })
    .await;
}
