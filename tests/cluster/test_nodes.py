"""What a machine says of itself, from the files in which kernels say it."""

import os

import pytest

from cluster.nodes import Node, look


def stated(tmp_path, files=None, *, folders=None):
    """Return what a machine says whose kernel has these files."""
    meminfo = "MemTotal: 32000 kB\nMemAvailable: 24000 kB\nHugePages_Total: 0\n"
    for name, text in {"proc/meminfo": meminfo, **(files or {})}.items():
        path = tmp_path / "machine" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    node = Node(id="", cpus=4, gpus=0.0)
    return look(node, name="alpha", told_memory=7, told_store=5, folders=folders or {}, root=tmp_path / "machine")


CORES = len(os.sched_getaffinity(0))


def test_a_machine_without_limits_gives_all_its_cores_and_memory(tmp_path):
    state = stated(tmp_path)
    assert (state.cores, state.memory, state.free_memory) == (CORES, 32_768_000, 24_576_000)
    assert (state.object_store, state.store_folder) == (5, None)


def test_the_limits_of_a_container_are_at_the_top_of_its_control_groups(tmp_path):
    # Docker, version 2.
    files = {
        "proc/self/cgroup": "0::/\n",
        "sys/fs/cgroup/memory.max": "16000000\n",
        "sys/fs/cgroup/memory.current": "9000000\n",
        "sys/fs/cgroup/memory.stat": "anon 1\ninactive_file 2000000\n",
        "sys/fs/cgroup/cpu.max": "150000 100000\n",
    }
    state = stated(tmp_path, files)
    assert (state.cores, state.memory, state.free_memory) == (1, 16_000_000, 9_000_000)


def test_limits_of_a_group_below_the_topmost_count_which_ray_does_not_read(tmp_path):
    # Slurm, version 2: the job has a limit, the step within it has none.
    job = "sys/fs/cgroup/system.slice/slurm/job_7"
    files = {
        "proc/self/cgroup": "0::/system.slice/slurm/job_7/step_0\n",
        f"{job}/memory.max": "10000000\n",
        f"{job}/memory.current": "4000000\n",
        f"{job}/memory.stat": "inactive_file 500000\n",
        f"{job}/cpu.max": "max 100000\n",
        f"{job}/step_0/memory.max": "max\n",
        f"{job}/step_0/memory.current": "3000000\n",
    }
    state = stated(tmp_path, files)
    assert (state.cores, state.memory, state.free_memory) == (CORES, 10_000_000, 6_500_000)


def test_limits_of_version_1_are_read_where_each_controller_has_them(tmp_path):
    # Docker, version 1: the path is the host's, and what is there inside are the limits at the top.
    files = {
        "proc/self/cgroup": "9:name=systemd:/docker/abc\n4:cpu,cpuacct:/docker/abc\n3:memory:/docker/abc\n0::/\n",
        "sys/fs/cgroup/memory/memory.limit_in_bytes": "20000000\n",
        "sys/fs/cgroup/memory/memory.usage_in_bytes": "21000000\n",
        "sys/fs/cgroup/memory/memory.stat": "inactive_file 0\ntotal_inactive_file 2000000\n",
        "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
        "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
    }
    state = stated(tmp_path, files)
    assert (state.cores, state.memory, state.free_memory) == (CORES, 20_000_000, 1_000_000)
    unlimited = {"sys/fs/cgroup/memory/memory.limit_in_bytes": f"{2**63 - 4096}\n"}
    assert stated(tmp_path, {**files, **unlimited}).memory == 32_768_000


def test_an_object_store_on_disk_is_noticed(tmp_path):
    line = f"7f3e19e7f000-7f3fd77ff000 rw-s 00000000 00:1b 1150     {tmp_path}/ray x/plasmavRixiS (deleted)\n"
    (tmp_path / "ray x").mkdir()
    assert stated(tmp_path, {"proc/self/maps": line}).store_folder == tmp_path / "ray x"


def test_a_folder_of_a_nodes_own_is_not_the_shared_one_of_its_name(tmp_path):
    (tmp_path / "cache").mkdir()
    (tmp_path / "mark").touch()
    proofs = {tmp_path / "cache": tmp_path / "cache" / "mark", tmp_path: tmp_path / "mark"}
    state = stated(tmp_path, {}, folders=proofs)
    assert [state.folders[folder].seen for folder in proofs] == [False, True]


@pytest.mark.parametrize(("flags", "native"), [("fma avx512_bf16 fsrm", True), ("amx_bf16", True), ("avx512f", False)])
def test_a_processor_says_whether_it_multiplies_bfloat16_itself(flags, native, tmp_path):
    files = {"proc/cpuinfo": f"processor\t: 0\nflags\t\t: fpu {flags}\nbugs\t\t: avx512_bf16\n\nprocessor\t: 1\n"}
    assert stated(tmp_path, files).bfloat16 is native
    assert not stated(tmp_path / "other").bfloat16
