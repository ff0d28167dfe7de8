//! Single tables, and the ways a root can be reached.

use std::os::unix::fs::symlink;

use super::*;

#[test]
fn a_single_table_is_replaced_and_an_unchanged_one_left_alone() {
    let (_dir, root) = temp();
    let units = [single("s"), single("t")];
    let first = publish(&root, &units, &[("s", 1), ("t", 1)]);
    assert_eq!(changed(&first), ["s", "t"]);
    assert_eq!(read(&root), tables(&[("s", 1), ("t", 1)]));
    assert!(fs::symlink_metadata(root.path_of("s")).unwrap().is_file());

    let before = mtime(&root.path_of("s"));
    let second = publish(&root, &units, &[("s", 1), ("t", 2)]);
    assert_eq!(changed(&second), ["t"]);
    assert_eq!(mtime(&root.path_of("s")), before);
    assert_eq!(read(&root), tables(&[("s", 1), ("t", 2)]));
    assert_eq!(second.tables[0].version, first.tables[0].version);
    assert_ne!(second.tables[1].version, first.tables[1].version);
    assert_tidy(&root);
}

#[test]
fn a_table_that_was_not_staged_is_left_alone() {
    let (_dir, root) = temp();
    publish(&root, &[single("s"), single("t")], &[("s", 1), ("t", 1)]);
    let publication = publish(&root, &[single("s"), single("t")], &[("t", 2)]);
    assert_eq!(publication.tables.len(), 1);
    assert_eq!(read(&root), tables(&[("s", 1), ("t", 2)]));
}

#[test]
fn an_open_file_keeps_its_content() {
    let (_dir, root) = temp();
    publish(&root, &[single("s")], &[("s", 1)]);
    let open = File::open(root.path_of("s")).unwrap();
    let before = fs::read(root.path_of("s")).unwrap();
    publish(&root, &[single("s")], &[("s", 2)]);
    let mut after = Vec::new();
    std::io::Read::read_to_end(&mut &open, &mut after).unwrap();
    assert_eq!(before, after);
}

#[test]
fn what_tenure_did_not_make_is_not_replaced() {
    let (dir, root) = temp();
    fs::create_dir(root.path_of("s")).unwrap();
    write(&dir.path().join("mine"), "m", 7);
    symlink(dir.path().join("mine"), root.path_of("t")).unwrap();
    let lock = lock(&root, "run");
    let try_one = |table: &str| {
        let error = try_publish(&lock, "run", &[single(table)], &tables(&[(table, 1)]), 2);
        error.unwrap_err().to_string()
    };
    let shown = root.path_of("s").display().to_string();
    assert_eq!(try_one("s"), format!("`{shown}` is a directory, which was not published by tenure"));
    assert!(try_one("t").contains("is a symlink to"));
    assert_eq!(verify::rows(&root.path_of("t")).unwrap(), 7);
}

#[test]
fn a_root_can_be_relative_and_behind_a_symlink_and_can_move() {
    let dir = tempfile::tempdir().unwrap();
    let here = std::env::current_dir().unwrap();
    let up: PathBuf = here.components().skip(1).map(|_| "..").collect();
    let relative = up.join(dir.path().strip_prefix("/").unwrap()).join("a/b");
    let units = [group("main", &["x", "y"]), single("s")];

    let root = Root::open(&relative).unwrap();
    let publication = publish(&root, &units, &[("x", 1), ("y", 1), ("s", 1)]);
    assert_eq!(publication.tables[0].path, relative.join("x.parquet"));
    assert_eq!(root.path(), relative);

    symlink(relative.file_name().unwrap(), dir.path().join("a/link")).unwrap();
    let linked = Root::open(&dir.path().join("a/link")).unwrap();
    publish(&linked, &units, &[("x", 2), ("y", 2), ("s", 2)]);
    assert_eq!(read(&root), tables(&[("x", 2), ("y", 2), ("s", 2)]));

    fs::rename(dir.path().join("a"), dir.path().join("moved")).unwrap();
    let moved = Root::open(&dir.path().join("moved/b")).unwrap();
    assert_eq!(read(&moved), tables(&[("x", 2), ("y", 2), ("s", 2)]));
    publish(&moved, &units, &[("x", 3), ("y", 3)]);
    assert_eq!(read(&moved), tables(&[("x", 3), ("y", 3), ("s", 2)]));
}

#[test]
fn inputs_that_are_outputs_are_found() {
    let (dir, root) = temp();
    publish(&root, &[group("main", &["x"])], &[("x", 1)]);
    symlink(root.path(), dir.path().join("alias")).unwrap();
    let inputs = [
        root.path_of("x"),
        root.path().join("../out/./x.parquet"),
        dir.path().join("alias/y.parquet"),
        root.path().join("_tenure/groups/main/current/x.parquet"),
        root.path().join("export.parquet"),
        dir.path().join("nowhere/x.parquet"),
    ];
    let outputs = ["x".to_owned(), "y".to_owned()];
    let found = Root::overlaps(root.path(), &outputs, &inputs).unwrap();
    assert_eq!(found, [&inputs[0], &inputs[1], &inputs[2], &inputs[3]]);
    let unborn = dir.path().join("unborn");
    let inputs = [unborn.join("x.parquet"), unborn.join("z.parquet"), pathbuf("x.parquet")];
    assert_eq!(Root::overlaps(&unborn, &outputs, &inputs).unwrap(), [&inputs[0]]);
    assert!(!unborn.exists());
}
