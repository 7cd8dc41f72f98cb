from __future__ import annotations

import subprocess
import sys

import pytest

from energyprof.sensors.cpu_power_table import cpu_power, power_table


@pytest.mark.parametrize(
    ("model", "tdp_w"),
    [
        ("AMD EPYC 7763 64-Core Processor", 280),
        ("Intel(R) Xeon(R) Platinum 8480+", 350),
        ("AMD Ryzen 9 7950X 16-Core Processor", 170),
        ("Intel(R) Core(TM) i7-8700K CPU @ 3.70GHz", 95),
        ("Intel(R) Xeon(R) CPU E5-2690 v4 @ 2.60GHz", 135),
    ],
)
def test_a_model_is_found_by_the_name_that_the_kernel_gives_it(model: str, tdp_w: float) -> None:
    power = cpu_power(model)
    assert power.tdp_w == tdp_w
    assert power.table.startswith("CodeCarbon ")


@pytest.mark.parametrize("model", [None, "", "AMD EPYC", "Intel(R) Xeon(R) Processor", "DO-Regular", "QEMU"])
def test_a_name_that_says_too_little_is_not_known(model: str | None) -> None:
    power = cpu_power(model)
    assert power.tdp_w is None
    assert power.matched is None


def test_the_table_is_codecarbons_and_is_read_without_importing_it() -> None:
    assert len(power_table()) > 4000
    code = (
        "import sys; from energyprof.sensors.cpu_power_table import cpu_power; cpu_power('AMD EPYC 7763');"
        "assert not {'codecarbon', 'pandas', 'torch'} & set(sys.modules), sorted(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_what_codecarbon_finds_is_found_too() -> None:
    """A sample of its own table, spelled as kernels spell it."""
    names = [name for name in list(power_table())[::97] if name.startswith(("AMD ", "Intel "))]
    spelled = {name: name.replace("Intel ", "Intel(R) ").replace("Core ", "Core(TM) ") for name in names}
    wrong = [name for name, text in spelled.items() if cpu_power(text).tdp_w != power_table()[name]]
    assert wrong == []
