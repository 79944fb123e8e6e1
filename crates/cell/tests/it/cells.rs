//! Cells on both runtimes.

use std::{fs, net::TcpListener, os::unix::fs::MetadataExt as _, process::Command, time::Duration};

use cell::runtime::{CellStatus, LaunchError, Runtime, RuntimeKind, RuntimeKind::*, recorded};

use crate::support::{PATIENCE, World, answers, eventually, get, log, now, runtime};

const BOTH: [RuntimeKind; 2] = [Isolated, Plain];

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

/// Each runtime that can be tried here.
fn on_each(kinds: &[RuntimeKind], test: impl Fn(&dyn Runtime)) {
    for runtime in kinds.iter().filter_map(|kind| runtime(*kind)) {
        println!("{}", runtime.why());
        test(runtime.as_ref());
    }
}

#[test]
fn ten_machines_with_the_same_internal_port_answer_on_their_own_addresses() {
    on_each(&BOTH, |runtime| {
        let world = World::new(&[]);
        let mut cells = Vec::new();
        for n in 0..10 {
            let launch = world.server(runtime.kind(), &format!("m{n}"));
            let cell = block_on(runtime.launch(&launch)).unwrap();
            assert_eq!(cell.endpoints[&8080], (launch.address, 8080).into());
            cells.push((launch, cell));
        }
        for (launch, cell) in &cells {
            assert_eq!(answers(launch, cell.endpoints[&8080]), launch.id);
            assert!(runtime.explain_silence(launch, cell).is_none());
        }
        for (_, cell) in &cells {
            block_on(runtime.kill(cell)).unwrap();
        }
    });
}

#[test]
fn a_machine_reaches_the_host_and_itself() {
    on_each(&[Isolated], |runtime| {
        let world = World::new(&[]);
        let outside = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = outside.local_addr().unwrap().port();
        let host = std::thread::spawn(move || {
            use std::io::{Read as _, Write as _};
            let (mut stream, _) = outside.accept().unwrap();
            let _ = stream.read(&mut [0; 512]).unwrap();
            stream.write_all(b"HTTP/1.0 200 OK\r\n\r\nthe host").unwrap();
        });
        let launch = world.server(runtime.kind(), "m1");
        let cell = block_on(runtime.launch(&launch)).unwrap();
        let endpoint = cell.endpoints[&8080];
        assert_eq!(answers(&launch, endpoint), "m1");
        assert_eq!(get(endpoint, &format!("/fetch/127.0.0.1:{port}")).unwrap(), "the host");
        host.join().unwrap();
        for itself in ["127.0.0.1:8080", "[::1]:8080"] {
            assert_eq!(get(endpoint, &format!("/fetch/{itself}")).unwrap(), "m1", "{itself}");
        }
        block_on(runtime.kill(&cell)).unwrap();
    });
}

#[test]
fn every_way_to_bind_leads_to_the_machines_address() {
    on_each(&[Isolated], |runtime| {
        let world = World::new(&[]);
        for asked in ["0.0.0.0:8080", "127.0.0.1:8080", "[::]:8080", "[::1]:8080"] {
            let launch = world.machine("m", &["server", "serve", asked, asked]);
            let cell = block_on(runtime.launch(&launch)).unwrap();
            assert_eq!(answers(&launch, cell.endpoints[&8080]), asked);
            block_on(runtime.kill(&cell)).unwrap();
        }
    });
}

#[test]
fn a_second_server_on_the_same_port_of_a_machine_is_refused_as_anywhere() {
    on_each(&[Isolated], |runtime| {
        let world = World::new(&[]);
        let launch = world.machine("m", &["server", "serve", "0.0.0.0:8080", "127.0.0.1:8080", "x"]);
        let cell = block_on(runtime.launch(&launch)).unwrap();
        let status = eventually("it gives up", || {
            Some(runtime.status(&launch, &cell)).filter(|status| *status != CellStatus::Running)
        });
        assert_eq!(status, CellStatus::Exited { code: 1 });
        assert!(log(&launch).contains("cannot be bound"), "{}", log(&launch));
    });
}

#[test]
fn exit_codes_are_recorded_and_a_signal_counts_from_128() {
    on_each(&BOTH, |runtime| {
        let world = World::new(&["/bin/bash"]);
        for (script, code) in [("exit 0", 0), ("exit 7", 7), ("kill -TERM $$; sleep 9", 143)] {
            let launch = world.machine("m", &["bash", "-c", script]);
            let cell = block_on(runtime.launch(&launch)).unwrap();
            let status = eventually(script, || {
                Some(runtime.status(&launch, &cell)).filter(|status| *status != CellStatus::Running)
            });
            assert_eq!(status, CellStatus::Exited { code }, "{script}: {}", log(&launch));
            let exit: serde_json::Value =
                serde_json::from_slice(&fs::read(launch.dir.join("exit")).unwrap()).unwrap();
            assert_eq!(exit["code"], code);
            assert!(exit["at_ms"].as_u64().unwrap() > 1_700_000_000_000);
        }
    });
}

#[test]
fn output_goes_to_the_log_and_nothing_of_the_environment_is_inherited() {
    on_each(&BOTH, |runtime| {
        let world = World::new(&["/bin/bash"]);
        let mut launch = world.machine("m", &["bash", "-c", "export -p; echo to the error log >&2"]);
        launch.env.insert("MINE".to_owned(), "a b=c".to_owned());
        let cell = block_on(runtime.launch(&launch)).unwrap();
        eventually("it ends", || {
            matches!(runtime.status(&launch, &cell), CellStatus::Exited { .. }).then_some(())
        });
        let log = log(&launch);
        assert!(log.contains(r#"MINE="a b=c""#) && log.contains("to the error log"), "{log}");
        assert!(!log.contains("CARGO"), "{log}");
    });
}

/// A program that escapes with `setsid`, twice, and one that ignores SIGTERM.
const ESCAPEES: &str = "trap '' TERM; echo root=$BASHPID; \
    setsid bash -c 'echo escaped; sleep 1000 & setsid sleep 1000 & wait' & sleep 1000 & wait; sleep 1000";

fn sleepers(id: &str) -> usize {
    let mark = format!("CELL_TEST_MARK={id}\0");
    let list = fs::read_dir("/proc").unwrap().flatten();
    let environments = list.filter_map(|entry| fs::read(entry.path().join("environ")).ok());
    environments.filter(|bytes| String::from_utf8_lossy(bytes).contains(&mark)).count()
}

fn escaping(world: &World, runtime: &dyn Runtime, id: &str) -> (cell::runtime::Launch, cell::runtime::Cell) {
    let mut launch = world.machine("m", &["bash", "-c", ESCAPEES]);
    launch.env.insert("CELL_TEST_MARK".to_owned(), id.to_owned());
    let cell = block_on(runtime.launch(&launch)).unwrap();
    eventually("all are there", || (sleepers(id) >= 5).then_some(()));
    (launch, cell)
}

#[test]
fn kill_leaves_nothing_of_a_tree_that_tries_to_escape() {
    on_each(&BOTH, |runtime| {
        let world = World::new(&["/bin/bash", "/usr/bin/setsid", "/bin/sleep"]);
        let id = format!("kill-{}-{}", runtime.kind(), std::process::id());
        let (launch, cell) = escaping(&world, runtime, &id);
        block_on(runtime.kill(&cell)).unwrap();
        assert_eq!(sleepers(&id), 0);
        assert_eq!(runtime.status(&launch, &cell), CellStatus::Exited { code: 137 });
        block_on(runtime.kill(&cell)).unwrap();
    });
}

#[test]
fn a_tree_ends_with_its_program() {
    on_each(&BOTH, |runtime| {
        let world = World::new(&["/bin/bash", "/usr/bin/setsid", "/bin/sleep"]);
        let id = format!("end-{}-{}", runtime.kind(), std::process::id());
        let (launch, cell) = escaping(&world, runtime, &id);
        runtime.signal(&cell, 9).unwrap();
        let status = eventually("it ends", || {
            Some(runtime.status(&launch, &cell)).filter(|status| *status != CellStatus::Running)
        });
        assert_eq!(status, CellStatus::Exited { code: 137 });
        assert_eq!(sleepers(&id), 0);
    });
}

#[test]
fn a_tree_ends_with_its_supervisor_and_is_lost() {
    on_each(&BOTH, |runtime| {
        let world = World::new(&["/bin/bash", "/bin/sleep"]);
        let id = format!("lost-{}-{}", runtime.kind(), std::process::id());
        let mut launch = world.machine("m", &["bash", "-c", "sleep 1000 & sleep 1000 & wait"]);
        launch.env.insert("CELL_TEST_MARK".to_owned(), id.clone());
        let cell = block_on(runtime.launch(&launch)).unwrap();
        eventually("all are there", || (sleepers(&id) == 3).then_some(()));
        assert!(Command::new("kill").args(["-9", &cell.pid.to_string()]).status().unwrap().success());
        eventually("it is noticed", || (runtime.status(&launch, &cell) == CellStatus::Lost).then_some(()));
        if runtime.kind() == Plain {
            // There the program alone ends with the supervisor; the rest of its session by `kill`.
            block_on(runtime.kill(&cell)).unwrap();
        }
        eventually("all are gone", || (sleepers(&id) == 0).then_some(()));
    });
}

#[test]
fn a_signal_reaches_the_program_itself() {
    on_each(&BOTH, |runtime| {
        let world = World::new(&["/bin/bash", "/bin/sleep"]);
        let script = "trap 'echo got it; exit 5' INT; echo ready; while :; do sleep 0.01; done";
        let launch = world.machine("m", &["bash", "-c", script]);
        let cell = block_on(runtime.launch(&launch)).unwrap();
        eventually("it is ready", || log(&launch).contains("ready").then_some(()));
        runtime.signal(&cell, 2).unwrap();
        let status = eventually("it ends", || {
            Some(runtime.status(&launch, &cell)).filter(|status| *status != CellStatus::Running)
        });
        assert_eq!(status, CellStatus::Exited { code: 5 });
        assert!(log(&launch).contains("got it"));
        assert!(runtime.signal(&cell, 2).is_err(), "a program that has ended");
    });
}

#[test]
fn a_cell_is_found_again_by_what_is_on_disk_alone() {
    on_each(&BOTH, |runtime| {
        let world = World::new(&[]);
        let launch = world.server(runtime.kind(), "m1");
        let cell = block_on(runtime.launch(&launch)).unwrap();
        answers(&launch, cell.endpoints[&8080]);
        let found = recorded(&launch.dir).unwrap();
        assert_eq!(found, cell);
        // Neither this process nor its threads are its parent: it would outlive us.
        let stat = fs::read_to_string(format!("/proc/{}/stat", cell.pid)).unwrap();
        let parent: u32 =
            stat.rsplit_once(')').unwrap().1.split_whitespace().nth(1).unwrap().parse().unwrap();
        assert_ne!(parent, std::process::id());
        let cmdline = fs::read_to_string(format!("/proc/{}/cmdline", cell.pid)).unwrap();
        assert!(cmdline.contains("m1") && cmdline.contains("test/server"), "{cmdline:?}");

        let error = block_on(runtime.launch(&launch)).unwrap_err();
        assert!(matches!(&error, LaunchError::System { step, .. } if step.contains("twice")), "{error}");
        block_on(runtime.kill(&found)).unwrap();
        let reused = cell::runtime::Cell { pid: std::process::id(), ..found };
        assert_eq!(
            runtime.status(&launch, &reused),
            CellStatus::Exited { code: 137 },
            "another process of that number"
        );
    });
}

#[test]
fn what_cannot_be_started_says_so_at_once() {
    on_each(&BOTH, |runtime| {
        let world = World::new(&[]);
        let missing = world.machine("m", &["/no/such/program"]);
        let error = block_on(runtime.launch(&missing)).unwrap_err();
        assert!(error.to_string().contains("/no/such/program"), "{error}");
        let nothing = world.machine("m", &[]);
        assert!(block_on(runtime.launch(&nothing)).is_err());
        let no_program = world.machine("m", &["/etc/motd"]);
        assert!(block_on(runtime.launch(&no_program)).unwrap_err().to_string().contains("/etc/motd"));
    });
}

#[test]
fn a_machine_cannot_change_its_image_nor_see_the_host() {
    on_each(&[Isolated], |runtime| {
        let world = World::new(&["/bin/bash", "/bin/ls", "/bin/cat", "/bin/rm"]);
        let script = "cat /etc/motd; echo changed > /etc/motd; rm /usr/local/bin/server; cat /etc/motd; \
                      echo pid=$$; ls -d /proc/[0-9]*; ls /; ls /dev; echo x > /dev/null && echo null works; \
                      cat /etc/hostname; echo scratch > /tmp/x && cat /tmp/x";
        let launch = world.machine("m1", &["bash", "-c", script]);
        let cell = block_on(runtime.launch(&launch)).unwrap();
        eventually("it ends", || {
            matches!(runtime.status(&launch, &cell), CellStatus::Exited { .. }).then_some(())
        });
        let log = log(&launch);
        assert!(log.contains("of the image") && log.contains("changed"), "{log}");
        assert!(log.contains("pid=2\n") && !log.contains(&format!("/proc/{}\n", cell.pid)), "{log}");
        assert!(log.contains("null works") && log.contains("m1\n") && log.contains("scratch"), "{log}");
        assert!(!log.contains(".host"), "the host's files are left: {log}");
        assert_eq!(fs::read_to_string(world.rootfs().join("etc/motd")).unwrap(), "of the image");
        assert!(world.rootfs().join("usr/local/bin/server").is_file());
        assert!(!world.rootfs().join("proc").exists() && !world.rootfs().join("tmp").exists());
    });
}

#[test]
fn a_program_that_ignores_where_to_listen_is_refused_by_name_on_plain() {
    on_each(&[Plain], |runtime| {
        let world = World::new(&[]);
        let mut launch = world.machine("m", &["server", "serve", "127.0.0.1:0", "x"]);
        launch.image = "registry/ignorant:1".to_owned();
        let cell = block_on(runtime.launch(&launch)).unwrap();
        let error = eventually("it is explained", || runtime.explain_silence(&launch, &cell)).to_string();
        assert!(error.contains("registry/ignorant:1") && error.contains("127.0.0.1:"), "{error}");
        assert!(error.contains("HOST") && error.contains("PORT"), "{error}");
        block_on(runtime.kill(&cell)).unwrap();
    });
}

#[test]
fn a_stock_python_server_runs_unmodified() {
    let Some(root) = python_root() else {
        return println!("not run: no python3 with its library in /usr/lib");
    };
    on_each(&[Isolated], |runtime| {
        let mut cells = Vec::new();
        for n in 0..10 {
            let mut launch =
                root.machine(&format!("m{n}"), &["/usr/bin/python3", "-m", "http.server", "8080"]);
            launch.cwd = format!("/srv{n}");
            let cell = block_on(runtime.launch(&launch)).unwrap();
            cells.push((launch, cell));
        }
        for (launch, cell) in &cells {
            assert!(answers(launch, cell.endpoints[&8080]).contains("Directory listing"));
        }
        for (_, cell) in &cells {
            block_on(runtime.kill(cell)).unwrap();
        }
    });
}

/// Python's own way to have a socket for each family: the one for IPv6 is for IPv6 only.
#[test]
fn a_socket_for_each_family_works_in_either_order() {
    let Some(root) = python_root() else {
        return println!("not run: no python3 with its library in /usr/lib");
    };
    let four = "a = socket.create_server(('', 8080))";
    let six = "b = socket.create_server(('::', 8080), family=socket.AF_INET6)";
    let answer = "c = (a if select.select([a, b], [], [])[0][0] is a else b).accept()[0]\n\
                  c.recv(999)\nc.sendall(b'HTTP/1.0 200 OK\\r\\n\\r\\nboth')\nc.close()";
    on_each(&[Isolated], |runtime| {
        for [first, second] in [[four, six], [six, four]] {
            let program = format!("import select, socket\n{first}\n{second}\n{answer}\n");
            let launch = root.machine("m", &["/usr/bin/python3", "-c", &program]);
            let cell = block_on(runtime.launch(&launch)).unwrap();
            assert_eq!(answers(&launch, cell.endpoints[&8080]), "both");
            eventually("it ends", || {
                matches!(runtime.status(&launch, &cell), CellStatus::Exited { .. }).then_some(())
            });
            assert!(log(&launch).contains("other address family"), "{}", log(&launch));
        }
    });
}

#[test]
fn a_privileged_port_is_reachable_where_the_cell_says() {
    on_each(&[Isolated], |runtime| {
        let world = World::new(&[]);
        let mut launch = world.machine("m", &["server", "serve", "[::]:80", "web"]);
        launch.ports = vec![80];
        let cell = block_on(runtime.launch(&launch)).unwrap();
        let endpoint = cell.endpoints[&80];
        let own = fs::metadata(&launch.dir).unwrap().uid();
        assert_eq!(endpoint.port(), if own == 0 { 80 } else { 20_080 });
        assert_eq!(answers(&launch, endpoint), "web");
        assert_eq!(get(endpoint, "/fetch/127.0.0.1:80").unwrap(), "web");
        block_on(runtime.kill(&cell)).unwrap();
    });
}

/// An image with python and its library.
fn python_root() -> Option<World> {
    let real = fs::canonicalize("/usr/bin/python3").ok()?;
    let library = std::path::Path::new("/usr/lib").join(real.file_name()?);
    if !library.join("http/server.py").is_file() {
        return None;
    }
    let world = World::new(&["/usr/bin/python3"]);
    fs::create_dir_all(world.rootfs().join("usr/lib")).unwrap();
    let copied =
        Command::new("cp").arg("-r").arg(&library).arg(world.rootfs().join("usr/lib")).status().ok()?;
    copied.success().then_some(world)
}

/// Not a test of speed, but the figures for people: `--nocapture` prints them.
#[test]
fn time_from_launch_to_the_first_answer() {
    on_each(&BOTH, |runtime| {
        let world = World::new(&[]);
        let mut times = Vec::new();
        for n in 0..20 {
            let launch = world.server(runtime.kind(), &format!("m{n}"));
            let start = now();
            let cell = block_on(runtime.launch(&launch)).unwrap();
            let started = start.elapsed();
            while get(cell.endpoints[&8080], "/").is_err() && start.elapsed() < PATIENCE {
                std::thread::sleep(Duration::from_micros(100));
            }
            times.push((start.elapsed(), started));
            block_on(runtime.kill(&cell)).unwrap();
        }
        times.sort();
        let (first, started) = times[times.len() / 2];
        println!("{}: launch {started:?}, first answer {first:?} (medians of 20)", runtime.kind());
    });
}
