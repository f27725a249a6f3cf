"""Laws of the team server, on real servers over sqlite and PostgreSQL: who gets in, what is kept, what comes back."""

from __future__ import annotations

import dataclasses
import datetime
import importlib.util
import json
import os
import re
import shutil
import socket
import sqlite3
import ssl
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
from mlflow.tracking import MlflowClient
from team_server import (
    ADMINISTRATOR,
    CLEAN,
    FOLDER,
    Postgres,
    Team,
    bucket,
    free_port,
    program,
    tls_proxy,
)
from tracking_studies import make_record, make_spec, make_study, save_run

from mlflow_server.backup import back_up
from mlflow_server.credentials import NAMES, check_secrets, load_secrets
from mlflow_server.manifest import digest
from mlflow_server.restore import put_back
from mlflow_server.serve import ENVIRONMENT, server_command, server_environment
from mlflow_server.settings import Settings, load_settings
from mlflow_server.version import record
from suite.tracking import Tracker
from suite.tracking import server as local_server

SEARCH = "/api/2.0/mlflow/experiments/search?max_results=1"
CREATE = "/api/2.0/mlflow/experiments/create"
ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts"
NOON = datetime.datetime(2026, 11, 22, 12, tzinfo=datetime.UTC)
EXAMPLE = tomllib.loads((FOLDER / "server.example.toml").read_text())
HAS_MOTO = importlib.util.find_spec("moto") is not None and importlib.util.find_spec("boto3") is not None


# Settings and secrets, without a server


def written(folder: Path, text: str, secrets: str = "", mode: int = 0o600) -> Path:
    """A file of settings, with a file of secrets beside it."""
    (folder / "secrets.env").write_text(secrets)
    (folder / "secrets.env").chmod(mode)
    path = folder / "server.toml"
    path.write_text(text)
    return path


def refusal(path: Path, **environment: str) -> str:
    """The one line with which the server refuses to start."""
    command = [sys.executable, "-m", "mlflow_server.serve", str(path)]
    done = subprocess.run(
        command, cwd=FOLDER.parent, env=CLEAN | environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1 and done.stdout == ""
    assert len(done.stderr.splitlines()) == 1, done.stderr
    return done.stderr


def test_the_example_names_every_setting_and_loads(tmp_path: Path) -> None:
    text = (FOLDER / "server.example.toml").read_text()
    assert all(f"{field.name} = " in text for field in dataclasses.fields(Settings))
    settings = load_settings(written(tmp_path, text))
    assert settings.hosts[0] == "mlflow.example.org" and settings.origins == ("https://mlflow.example.org",)
    assert settings.store == "postgresql+psycopg://mlflow@127.0.0.1/mlflow" and settings.users == settings.store
    names = {line.partition("=")[0] for line in (FOLDER / "secrets.example.env").read_text().splitlines()}
    assert {name for name in names if not name.startswith("#")} <= set(NAMES)


def test_the_example_of_secrets_starts_no_server(tmp_path: Path) -> None:
    secrets = (FOLDER / "secrets.example.env").read_text()
    assert "no administrator's password is set" in refusal(
        written(tmp_path, 'address = "https://m.example.org"', secrets)
    )


@pytest.mark.parametrize("password", ["password1234", "Password", "short"])
def test_a_default_or_short_password_starts_no_server_and_is_not_shown(tmp_path: Path, password: str) -> None:
    path = written(tmp_path, 'address = "https://m.example.org"', f"MLFLOW_AUTH_ADMIN_PASSWORD={password}\n")
    line = refusal(path)
    assert "openssl rand -hex 32" in line and "MLFLOW_AUTH_ADMIN_PASSWORD=..." in line
    assert f"={password}" not in line and f"'{password}'" not in line


def test_secrets_that_others_can_read_start_no_server(tmp_path: Path) -> None:
    line = refusal(written(tmp_path, 'address = "https://m.example.org"', "PGPASSWORD=x\n", mode=0o640))
    assert "mode 640" in line and "chmod 600" in line


def test_the_environment_goes_before_the_file_of_secrets(tmp_path: Path) -> None:
    settings = load_settings(written(tmp_path, 'address = "https://m.example.org"', "PGPASSWORD=file\n# note\n"))
    assert load_secrets(settings, {})["PGPASSWORD"] == "file"
    assert load_secrets(settings, {"PGPASSWORD": "environment"})["PGPASSWORD"] == "environment"
    assert load_secrets(settings, {"PGPASSWORD": ""})["PGPASSWORD"] == "file"


def test_a_server_without_a_key_for_forms_does_not_start() -> None:
    with pytest.raises(ValueError, match="MLFLOW_FLASK_SERVER_SECRET_KEY"):
        check_secrets({"MLFLOW_AUTH_ADMIN_PASSWORD": ADMINISTRATOR[1]}, Path("secrets.env"))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('address = "http://mlflow.example.org"', "would send passwords in clear"),
        ('address = "https://admin:x@m.example.org"', "without a user or password"),
        ('adress = "https://m.example.org"', "did you mean 'address'"),
        ('folder = "state"', "address: missing"),
        ('address = "https://m.example.org"\nworkers = "2"', "workers: a int of TOML is needed"),
        ('address = "https://m.example.org"\nworkers = 0', "workers: at least 1"),
        ('address = "https://m.example.org"\nlisten = "5000"', "write HOST:PORT"),
        ('address = "https://m.example.org"\nallowed_hosts = ["*"]', "lets every site in"),
        ('address = "https://m.example.org"\ndatabase = "mysql://h/d"', "postgresql://USER@HOST/NAME"),
        ('address = "https://m.example.org"\nartifacts = "gs://bucket"', "s3://BUCKET/PREFIX"),
        ('address = "https://m.example.org"\ns3_endpoint = "https://s3.example.org"', "only with artifacts"),
        ('address = "https://m.example.org"\ndefault_permission = "WRITE"', "unknown default_permission 'WRITE'"),
        ("address = ", "server.example.toml"),
    ],
)
def test_wrong_settings_are_refused_in_one_line(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(ValueError) as refused:
        load_settings(written(tmp_path, line))
    assert message in str(refused.value) and str(tmp_path / "server.toml") in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("place", ["mlflow:hunter2hunter2@h/d", "h/d?password=hunter2hunter2"])
def test_a_password_in_the_databases_address_is_refused_and_not_shown(tmp_path: Path, place: str) -> None:
    line = refusal(written(tmp_path, f'address = "https://m.example.org"\ndatabase = "postgresql://{place}"'))
    assert "PGPASSWORD" in line and "hunter2" not in line


def test_no_secret_is_in_the_command_and_no_foreign_setting_in_the_environment(tmp_path: Path) -> None:
    settings = load_settings(written(tmp_path, 'address = "https://m.example.org"'))
    secrets = {name: f"secret-{name}" for name in NAMES}
    assert not [word for word in server_command(settings) if "secret-" in word]
    callers = {"MLFLOW_SERVER_DISABLE_SECURITY_MIDDLEWARE": "true", "AWS_ACCESS_KEY_ID": "old", "PATH": "/bin"}
    found = server_environment(settings, secrets, callers)
    assert "MLFLOW_SERVER_DISABLE_SECURITY_MIDDLEWARE" not in found and found["PATH"] == "/bin"
    assert found["AWS_ACCESS_KEY_ID"] == "secret-AWS_ACCESS_KEY_ID"


def test_the_team_server_is_as_quiet_and_lean_as_the_local_one() -> None:
    assert ENVIRONMENT == local_server.ENVIRONMENT


# Backups, without a server


def make_home(folder: Path) -> Settings:
    """What a server over sqlite leaves behind, in small."""
    folder.mkdir(parents=True)
    settings = load_settings(written(folder, f'address = "https://m.example.org"\nlisten = "127.0.0.1:{free_port()}"'))
    (settings.artifacts_folder / "1" / "run").mkdir(parents=True)
    (settings.artifacts_folder / "1" / "run" / "model.bin").write_bytes(bytes(range(256)))
    for name in ("mlflow.db", "users.db"):
        with closing(sqlite3.connect(settings.folder / name)) as database:
            database.execute("create table runs (name text)")
            database.execute("insert into runs values (?)", (name,))
            database.commit()
    return settings


def test_a_backup_is_whole_private_and_never_overwrites(tmp_path: Path) -> None:
    settings = make_home(tmp_path / "home")
    made = back_up(settings, {}, tmp_path / "backups", NOON)
    assert made.name == "mlflow-20261122T120000Z"
    manifest = json.loads((made / "manifest.json").read_text())
    assert set(manifest["files"]) == {"mlflow.db", "users.db", "mlartifacts/1/run/model.bin"}
    shutil.rmtree(settings.folder)
    restored = put_back(settings, {}, made)
    assert (settings.artifacts_folder / "1" / "run" / "model.bin").read_bytes() == bytes(range(256))
    assert restored.files == manifest["files"]
    with pytest.raises(ValueError, match="is not empty, and a restore overwrites nothing"):
        put_back(settings, {}, made)
    assert program("backup", settings.secrets.with_name("server.toml"), tmp_path / "again").returncode == 0
    (private,) = (tmp_path / "again").iterdir()
    assert private.stat().st_mode & 0o077 == 0  # nobody else enters


def test_a_backup_that_fails_leaves_nothing_that_looks_like_one(tmp_path: Path) -> None:
    settings = make_home(tmp_path / "home")
    (settings.folder / "users.db").unlink()
    with pytest.raises(ValueError, match="has the server ever run"):
        back_up(settings, {}, tmp_path / "backups", NOON)
    assert list((tmp_path / "backups").iterdir()) == []


def damage(backup: Path, kind: str) -> None:
    """Make a backup wrong in one way."""
    file, manifest = backup / "mlartifacts" / "1" / "run" / "model.bin", backup / "manifest.json"
    if kind == "changed":
        file.write_bytes(b"\1" + file.read_bytes()[1:])
    elif kind == "missing":
        file.unlink()
    elif kind == "link":
        file.rename(backup / "model.bin")
        file.symlink_to(backup / "model.bin")
    elif kind == "linked folder":
        (backup / "mlartifacts").rename(backup / "elsewhere")
        (backup / "mlartifacts").symlink_to(backup / "elsewhere")
    elif kind == "no manifest":
        manifest.unlink()
    else:
        written = json.loads(manifest.read_text())
        digest = written["files"].pop("mlartifacts/1/run/model.bin")
        written["files"][{"leaves": "mlartifacts/../../model.bin", "absolute": "/etc/hostname"}[kind]] = digest
        manifest.write_text(json.dumps(written))


@pytest.mark.parametrize("kind", ["changed", "missing", "link", "linked folder", "no manifest", "leaves", "absolute"])
def test_a_damaged_backup_is_refused_before_anything_is_written(tmp_path: Path, kind: str) -> None:
    settings = make_home(tmp_path / "home")
    made = back_up(settings, {}, tmp_path / "backups", NOON)
    shutil.rmtree(settings.folder)
    damage(made, kind)
    with pytest.raises(ValueError, match="take another"):
        put_back(settings, {}, made)
    assert not settings.folder.exists()


def test_a_backup_of_another_kind_of_server_and_a_running_server_are_refused(tmp_path: Path) -> None:
    settings = make_home(tmp_path / "home")
    made = back_up(settings, {}, tmp_path / "backups", NOON)
    shutil.rmtree(settings.folder)
    other = dataclasses.replace(settings, database="postgresql://mlflow@127.0.0.1/mlflow")
    with pytest.raises(ValueError, match=r"the backup is of sqlite .* the settings say postgresql"):
        put_back(other, {}, made)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        busy = dataclasses.replace(settings, listen=f"127.0.0.1:{listener.getsockname()[1]}")
        with pytest.raises(ValueError, match="stop it first"):
            put_back(busy, {}, made)
    assert not settings.folder.exists()


# Real servers


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def team(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    """Over sqlite with artifacts in its folder; over PostgreSQL with artifacts in a bucket where moto can serve one."""
    pytest.importorskip("flask_wtf", reason="pip install 'mlflow[auth]'")
    home = tmp_path_factory.mktemp(request.param)
    with ExitStack() as stack:
        if request.param == "sqlite":
            team = Team(home)
        else:
            cluster: Postgres = request.getfixturevalue("cluster")
            keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"} if HAS_MOTO else {}
            team = Team(
                home,
                database=cluster.database("createdb", "team"),
                artifacts="s3://studies/team" if HAS_MOTO else "",
                s3_endpoint=stack.enter_context(bucket("studies")) if HAS_MOTO else "",
                secrets={"PGPASSWORD": cluster.password, **keys},
            )
        team.start()
        stack.callback(lambda: team.stop())
        yield team


@pytest.fixture
def client(team: Team, monkeypatch: pytest.MonkeyPatch) -> MlflowClient:
    """The administrator's."""
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", ADMINISTRATOR[0])
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", ADMINISTRATOR[1])
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    return MlflowClient(team.url)


def log_run(client: MlflowClient, experiment: str, folder: Path) -> str:
    """A run with a curve, an exact number, parameters, a tag and an artifact; gives its id."""
    known = client.get_experiment_by_name(experiment)
    run = client.create_run(known.experiment_id if known else client.create_experiment(experiment), run_name=experiment)
    for step in range(5):
        client.log_metric(run.info.run_id, "train/loss", 1 / (step + 3), step=step)
    client.log_param(run.info.run_id, "radius", 0.12)
    client.set_tag(run.info.run_id, "note", "größer, 大きい")
    (folder / "model.bin").write_bytes(bytes(range(256)) * 1000)
    client.log_artifact(run.info.run_id, str(folder / "model.bin"), "model")
    client.set_terminated(run.info.run_id)
    return str(run.info.run_id)


def read_run(client: MlflowClient, run_id: str, folder: Path) -> dict[str, Any]:
    """A run as a user gets it: every point, parameter and tag, and the bytes of every artifact."""
    run = client.get_run(run_id)
    folder.mkdir()
    client.download_artifacts(run_id, "", str(folder))
    return {
        "points": {
            name: [(p.step, p.value) for p in client.get_metric_history(run_id, name)] for name in run.data.metrics
        },
        "params": run.data.params,
        "note": run.data.tags["note"],
        "status": run.info.status,
        "files": {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()},
    }


LOGGED = {
    "points": {"train/loss": [(step, 1 / (step + 3)) for step in range(5)]},
    "params": {"radius": "0.12"},
    "note": "größer, 大きい",
    "status": "FINISHED",
    "files": {"model/model.bin": bytes(range(256)) * 1000},
}


def stored(team: Team) -> dict[str, Any]:
    """Every row of every table, and the digest of every artifact that is a file."""
    settings = load_settings(team.settings)
    found: dict[str, Any] = {}
    for store in {settings.store, settings.users}:
        address = sqlalchemy.engine.make_url(store).set(password=team.secrets.get("PGPASSWORD"))
        engine = sqlalchemy.create_engine(address)
        tables = sqlalchemy.MetaData()
        tables.reflect(engine)
        with engine.connect() as connection:
            for name, table in tables.tables.items():
                rows = connection.execute(sqlalchemy.select(table))
                found[f"{address.database}: {name}"] = sorted(map(repr, rows))
        engine.dispose()
    for path in settings.artifacts_folder.rglob("*"):
        if path.is_file():
            found[str(path)] = digest(path)
    return found


def test_only_the_right_password_opens_the_server(team: Team) -> None:
    user = ADMINISTRATOR[0]
    for path in (SEARCH, ARTIFACTS, "/", "/ajax-api/2.0/mlflow/experiments/search?max_results=1", "/signup"):
        assert team.status(path) == 401
        assert team.status(path, (user, "password1234")) == 401
        assert team.status(path, (user, "")) == 401
        assert team.status(path, ("nobody", ADMINISTRATOR[1])) == 401
        assert team.status(path, ADMINISTRATOR) == 200


def test_a_foreign_host_is_refused_and_its_own_names_are_not(team: Team) -> None:
    for host in ("evil.example.org", f"evil.example.org:{team.port}", "192.168.1.7", "localhost"):
        assert team.status(SEARCH, ADMINISTRATOR, Host=host) == 403
    for host in (f"localhost:{team.tls_port}", f"127.0.0.1:{team.port}"):
        assert team.status(SEARCH, ADMINISTRATOR, Host=host) == 200


def test_pages_of_another_site_cannot_write(team: Team) -> None:
    body = json.dumps({"name": "from another site"}).encode()
    for origin in ("https://evil.example.org", f"https://localhost.evil.example.org:{team.tls_port}", "null"):
        assert team.status(CREATE, ADMINISTRATOR, body=body, Origin=origin) == 403
    own = json.dumps({"name": "from its own page"}).encode()
    assert team.status(CREATE, ADMINISTRATOR, body=own, Origin=f"https://localhost:{team.tls_port}") == 200


def test_a_run_reads_back_exactly_and_its_artifact_lies_where_the_settings_say(
    team: Team, client: MlflowClient, tmp_path: Path
) -> None:
    run_id = log_run(client, "exact", tmp_path)
    assert read_run(client, run_id, tmp_path / "read") == LOGGED
    assert client.get_run(run_id).info.artifact_uri.startswith("mlflow-artifacts:/")
    if team.s3_endpoint:
        assert run_id in objects(team)
    else:
        assert len(list((team.home / "state" / "mlartifacts").rglob(f"{run_id}/artifacts/model/model.bin"))) == 1


def objects(team: Team) -> str:
    """The keys of the team's bucket, one a line."""
    import boto3

    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}
    listed = boto3.client("s3", endpoint_url=team.s3_endpoint, **keys).list_objects_v2(Bucket="studies", Prefix="team/")
    return "\n".join(entry["Key"] for entry in listed["Contents"])


def test_the_suite_tracks_a_study_into_it(team: Team, client: MlflowClient, tmp_path: Path) -> None:
    study = make_study(tmp_path)
    run = save_run(make_record(make_spec(study, "adversarial")), tmp_path / "runs")
    with Tracker(team.url, study.name, tmp_path / "study.toml") as tracker:
        tracker.sync([run])
    experiment = client.get_experiment_by_name(study.name)
    assert experiment is not None
    found = client.search_runs([experiment.experiment_id])
    (tracked,) = [each for each in found if each.data.tags.get("phase") == "refit"]
    assert tracked.info.status == "FINISHED" and "zero_shot/mean" in tracked.data.metrics
    assert {entry.path for entry in client.list_artifacts(tracked.info.run_id)} >= {"record.json", "study.toml"}


def test_other_users_read_and_do_not_change(team: Team, client: MlflowClient, tmp_path: Path) -> None:
    run_id = log_run(client, "shared", tmp_path)
    colleague = add_user(team, "colleague")
    assert team.status(f"/api/2.0/mlflow/runs/get?run_id={run_id}", colleague) == 200
    for verb, body in (("runs/delete", {}), ("runs/log-parameter", {"key": "radius", "value": "9"})):
        sent = json.dumps({"run_id": run_id, **body}).encode()
        assert team.status(f"/api/2.0/mlflow/{verb}", colleague, body=sent) == 403
    assert team.status("/api/2.0/mlflow/users/create", colleague, body=b'{"username":"x","password":"y"}') == 403


@pytest.mark.parametrize("team", ["sqlite"], indirect=True)
def test_the_readmes_command_changes_a_password(team: Team) -> None:
    name, old = add_user(team, "newcomer")
    block = re.search(r"^python -c .*?^```", (FOLDER / "README.md").read_text(), re.M | re.S)
    assert block is not None
    command = block[0].removesuffix("```").replace("https://HOST", team.url).replace("NAME", name)
    environment = {**CLEAN, "MLFLOW_TRACKING_USERNAME": name, "MLFLOW_TRACKING_PASSWORD": old}
    # Without a terminal, which a new session has none of, the passwords are read from the input.
    subprocess.run(
        ["sh", "-c", command.replace("python", sys.executable, 1)],
        env=environment,
        input=f"a-new-long-password\n{old}\n",
        text=True,
        check=True,
        capture_output=True,
        start_new_session=True,
        timeout=60,
    )
    assert team.status(SEARCH, (name, "a-new-long-password")) == 200 and team.status(SEARCH, (name, old)) == 401


def add_user(team: Team, name: str) -> tuple[str, str]:
    """A user who is not an administrator, made once."""
    user = (name, "another-long-password")
    body = json.dumps({"username": user[0], "password": user[1]}).encode()
    assert team.status("/api/2.0/mlflow/users/create", ADMINISTRATOR, body=body) in (200, 400)
    return user


def test_no_secret_is_on_a_command_line_in_the_log_or_in_a_readable_file(team: Team) -> None:
    assert team.process is not None
    session = os.getsid(team.process.pid)
    processes = [
        p
        for p in Path("/proc").glob("[0-9]*")
        if (p / "stat").read_text().rpartition(")")[2].split()[3] == str(session)
    ]
    assert len(processes) >= 2
    seen = "".join((p / "cmdline").read_text() for p in processes) + team.log.read_text() + team.settings.read_text()
    assert not [name for name, value in team.secrets.items() if len(value) > 8 and value in seen]
    state = team.home / "state"
    assert {path.stat().st_mode & 0o077 for path in state.rglob("*")} == {0}
    assert ADMINISTRATOR[1] not in (state / "basic_auth.ini").read_text()


def test_health_is_0_for_a_server_that_is_well_and_1_for_none(team: Team) -> None:
    well = program("health", team.url)
    assert (well.returncode, well.stdout, well.stderr) == (0, f"{team.url}: well\n", "")
    gone = program("health", f"http://127.0.0.1:{free_port()}")
    assert gone.returncode == 1 and "does not answer" in gone.stderr and len(gone.stderr.splitlines()) == 1


def test_everything_comes_back_after_backup_drop_and_restore(
    team: Team, client: MlflowClient, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    run_id = log_run(client, "precious", tmp_path)
    colleague = add_user(team, "colleague")
    before = stored(team)
    assert sum(run_id in row for rows in before.values() for row in rows) >= 9  # the run, its points, tags, parameter
    made = program("backup", team.settings, tmp_path / "backups")
    assert made.returncode == 0, made.stderr
    (backup,) = (tmp_path / "backups").iterdir()
    log_run(client, "after the backup", tmp_path)
    assert "stop it first" in program("restore", team.settings, backup).stderr
    team.stop()
    assert "is not empty" in program("restore", team.settings, backup).stderr
    shutil.rmtree(team.home / "state")
    if team.database:
        cluster: Postgres = request.getfixturevalue("cluster")
        cluster.database("dropdb", "team")
        assert "does not exist" in program("restore", team.settings, backup).stderr
        cluster.database("createdb", "team")
    restored = program("restore", team.settings, backup)
    assert restored.returncode == 0, restored.stderr
    assert stored(team) == before
    team.start()
    assert read_run(client, run_id, tmp_path / "read") == LOGGED
    assert team.status(SEARCH, ADMINISTRATOR) == 200 and team.status(SEARCH, colleague) == 200
    assert team.status(SEARCH, (colleague[0], "wrong")) == 401
    log_run(client, "after the restore", tmp_path)


# What only PostgreSQL, or only a proxy, can show


@pytest.mark.parametrize("team", ["postgresql"], indirect=True)
def test_health_is_1_while_the_database_is_away_and_0_when_it_is_back(team: Team, cluster: Postgres) -> None:
    cluster.stop()
    try:
        away = program("health", team.url)
    finally:
        cluster.start()
    assert away.returncode == 1 and "does not reach its database (status 503)" in away.stderr
    assert program("health", team.url).returncode == 0


@pytest.mark.parametrize("team", ["postgresql"], indirect=True)
def test_an_older_database_is_refused_until_it_is_upgraded(team: Team, cluster: Postgres, tmp_path: Path) -> None:
    database = cluster.database("createdb", "older")
    old = Team(tmp_path, database=database, secrets={"PGPASSWORD": cluster.password})
    settings = load_settings(old.settings)
    make_older(settings.store, {**CLEAN, "PGPASSWORD": cluster.password, "MLFLOW_DISABLE_TELEMETRY": "true"})
    record(settings, "3.10.0")
    (earlier,) = stored(old)["older: alembic_version"]
    assert "the databases are of MLflow 3.10.0" in refusal(old.settings)
    assert stored(old)["older: alembic_version"] == [earlier]  # MLflow itself would migrate this one at its start
    upgraded = program("upgrade", old.settings, tmp_path / "backups")
    assert upgraded.returncode == 0, upgraded.stderr
    assert stored(old)["older: alembic_version"] != [earlier]
    (backup,) = (tmp_path / "backups").iterdir()
    assert json.loads((backup / "manifest.json").read_text())["mlflow"] == "3.10.0"
    old.start()
    old.stop()


def make_older(store: str, environment: dict[str, str]) -> None:
    """A database as an older MLflow left it: its own migrations, run up to an earlier one."""
    script = """
import sys, sqlalchemy
from alembic import command
from mlflow.store.db.utils import InitialBase, _get_alembic_config
from alembic.script import ScriptDirectory
engine = sqlalchemy.create_engine(sys.argv[1])
InitialBase.metadata.create_all(engine)
config = _get_alembic_config(sys.argv[1])
earlier = list(ScriptDirectory.from_config(config).walk_revisions())[5].revision
with engine.begin() as connection:
    config.attributes["connection"] = connection
    command.upgrade(config, earlier)
"""
    subprocess.run([sys.executable, "-c", script, store], env=environment, check=True, capture_output=True, timeout=120)


@pytest.mark.parametrize("team", ["postgresql"], indirect=True)
def test_the_tls_proxy_lets_its_own_name_through_and_no_other(
    team: Team, client: MlflowClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    nginx = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin")
    if nginx is None or shutil.which("openssl") is None:
        pytest.skip("no nginx or no openssl on this machine (apt-get install nginx openssl)")
    with tls_proxy(nginx, tmp_path, team) as certificate:
        monkeypatch.setenv("MLFLOW_TRACKING_SERVER_CERT_PATH", str(certificate))
        safe = MlflowClient(f"https://localhost:{team.tls_port}")
        run_id = log_run(safe, "through TLS", tmp_path)
        assert read_run(safe, run_id, tmp_path / "read") == LOGGED
        trusting = ssl.create_default_context(cafile=str(certificate))
        trusting.check_hostname = False
        with pytest.raises(ssl.SSLError), socket.create_connection(("127.0.0.1", team.tls_port)) as plain:
            trusting.wrap_socket(plain, server_hostname="evil.example.org")
