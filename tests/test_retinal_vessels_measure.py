from __future__ import annotations

from math import cos, isnan, log, pi, radians, sin, sqrt
from time import process_time

import numpy as np
import pytest
from PIL import Image
from skimage.draw import disk, polygon

from inference.errors import UserError
from plugins.retinal_vessels.fractal import dimensions
from plugins.retinal_vessels.measure import measure
from plugins.retinal_vessels.skeleton import trace
from plugins.retinal_vessels.tortuosity import tortuosity
from plugins.retinal_vessels.zones import Disc, Mark, equivalent


def tube(shape, start, stop, width):
    """A straight vessel from `start` to `stop` (y, x), pixels whose centres lie inside."""
    (y0, x0), (y1, x1) = start, stop
    y, x = np.mgrid[: shape[0], : shape[1]].astype(float)
    length = sqrt((y1 - y0) ** 2 + (x1 - x0) ** 2)
    along = ((y - y0) * (y1 - y0) + (x - x0) * (x1 - x0)) / length
    across = ((y - y0) * (x1 - x0) - (x - x0) * (y1 - y0)) / length
    return (along >= 0) & (along <= length) & (across >= -width / 2) & (across < width / 2)


def arc(shape, centre, radius, width, degrees):
    y, x = np.mgrid[: shape[0], : shape[1]].astype(float)
    away = np.hypot(y - centre[0], x - centre[1])
    angle = np.degrees(np.arctan2(y - centre[0], x - centre[1])) % 360
    return (abs(away - radius) <= width / 2) & (angle <= degrees)


def values(mask, **options):
    return {key: row["value"] for key, row in measure(mask, **options).as_dict().items()}


@pytest.mark.parametrize("width", [2, 3, 4, 5, 8, 13])
@pytest.mark.parametrize("angle", [0, 17, 30, 47, 77, 90])
def test_the_width_of_a_straight_tube_is_right_within_a_third_of_a_pixel(width, angle):
    direction = np.array([sin(radians(angle)), cos(radians(angle))])
    start, stop = np.array([150.3, 150.1]) - 120 * direction, np.array([150, 150]) + 120 * direction
    found = values(tube((300, 300), start, stop, width))
    assert found["mean_calibre"] == pytest.approx(width, abs=0.3)
    assert found["median_calibre"] == pytest.approx(width, abs=0.35)


@pytest.mark.parametrize("angle", [0, 11, 22.5, 37, 45, 60, 90])
def test_the_length_of_a_line_does_not_depend_on_its_direction(angle):
    end = 40 + 200 * np.array([sin(radians(angle)), cos(radians(angle))])
    length = values(tube((280, 280), (40, 40), end, 3))["total_length"]
    assert length == pytest.approx(200, abs=3.5)  # thinning takes up to half a width at each end


def test_density_counts_the_field_of_view_alone():
    mask = np.zeros((100, 200), bool)
    mask[40:50] = True
    seen = np.zeros_like(mask)
    seen[:, :100] = True
    found = values(mask, field_of_view=seen)
    assert found["vessel_density"] == pytest.approx(10)
    assert found["total_length"] == pytest.approx(100, abs=10)
    assert found["length_density"] == pytest.approx(found["total_length"] / 10_000)


def tree():
    mask = np.zeros((200, 200), bool)
    mask[20:181, 99:102] = True  # a trunk ...
    mask[99:102, 20:100] = True  # ... with a side branch ...
    mask[59:62, 100:180] = True  # ... and another
    return mask


def test_a_known_tree_has_its_branch_and_end_points():
    found = values(tree())
    assert found["branch_points"] == 2
    assert found["end_points"] == 4
    assert found["total_length"] == pytest.approx(160 + 80 + 80, abs=8)


def test_bumps_of_the_edge_are_no_branches():
    mask = np.zeros((100, 300), bool)
    mask[46:55, 10:290] = True
    mask[43:46, 60:63] = mask[55:58, 120:123] = mask[44:46, 200:202] = True
    found = values(mask)
    assert found["branch_points"] == 0
    assert found["end_points"] == 2


def test_a_straight_vessel_is_not_tortuous():
    found = tortuosity(trace(tube((300, 300), (20, 15), (250, 280), 4)).lines)
    assert found["arc_over_chord"] == pytest.approx(1, abs=0.002)
    assert found["squared_curvature"] < 3e-5
    assert found["tortuosity_density"] < 1e-5


@pytest.mark.parametrize(("radius", "degrees"), [(60, 180), (100, 90), (80, 270)])
def test_tortuosity_of_a_circle_arc(radius, degrees):
    found = tortuosity(trace(arc((260, 260), (130, 130), radius, 5, degrees)).lines)
    turned = radians(degrees)
    assert found["arc_over_chord"] == pytest.approx(turned / (2 * sin(turned / 2)), rel=0.03)
    assert found["squared_curvature"] == pytest.approx(1 / radius**2, rel=0.1)
    assert found["tortuosity_density"] == 0  # it turns one way only


def test_tortuosity_density_of_two_half_circles():
    radius, shape = 50, (140, 260)
    y, x = np.mgrid[: shape[0], : shape[1]].astype(float)
    left = (abs(np.hypot(y - 70, x - 75) - radius) <= 2) & (y <= 70)
    right = (abs(np.hypot(y - 70, x - 175) - radius) <= 2) & (y >= 70)
    found = tortuosity(trace(left | right).lines)
    length = 2 * pi * radius
    expected = 1 / 2 * 2 * (pi / 2 - 1) / length  # two turns of arc/chord pi/2
    assert found["tortuosity_density"] == pytest.approx(expected, rel=0.08)


def test_wavier_vessels_score_higher_by_every_definition():
    scores = []
    for amplitude in (0, 4, 8, 14):
        x = np.arange(20, 380)
        y = 60 + amplitude * np.sin(x / 15)
        mask = np.zeros((120, 400), bool)
        for dy in range(-2, 3):
            for step in np.linspace(0, 1, 8, endpoint=False)[:, None]:
                mask[np.rint(y[:-1] + step * np.diff(y) + dy).astype(int), x[:-1]] = True
        scores.append(tortuosity(trace(mask).lines))
    for name in scores[0]:
        row = [score[name] for score in scores]
        assert row == sorted(row), name
        assert row[-1] > row[0], name


def sierpinski(size):
    y, x = np.mgrid[:size, :size]
    return (y & x) == 0


def cantor_dust(levels):
    """Of 4 x 4 squares the four corners remain, again and again: log 4 / log 4 = 1."""
    mask = np.ones((1, 1), bool)
    generator = np.zeros((4, 4), bool)
    generator[::3, ::3] = True
    for _ in range(levels):
        mask = np.kron(generator, mask)
    return mask.astype(bool)


@pytest.mark.parametrize(
    ("mask", "dimension", "tolerance"),
    [
        (np.ones((512, 512), bool), 2.0, 0.03),
        (np.eye(512, dtype=bool), 1.0, 0.02),
        (np.arange(400)[:, None] == np.full(500, 200), 1.0, 0.02),
        (sierpinski(512), log(3) / log(2), 0.03),
        (np.pad(sierpinski(512), ((37, 80), (11, 5))), log(3) / log(2), 0.03),
        (cantor_dust(5), 1.0, 0.12),
    ],
    ids=["square", "diagonal", "line", "Sierpinski", "Sierpinski in a frame", "Cantor dust"],
)
def test_fractal_dimensions_of_known_sets(mask, dimension, tolerance):
    assert dimensions(mask) == pytest.approx((dimension,) * 3, abs=tolerance)


def test_knudtson_by_hand():
    first = [0.88 * sqrt(10**2 + 5**2), 0.88 * sqrt(9**2 + 6**2), 0.88 * sqrt(8**2 + 7**2)]
    narrow, middle, wide = sorted(first)
    trunk = 0.88 * sqrt(wide**2 + narrow**2)
    expected = 0.88 * sqrt(trunk**2 + middle**2)
    assert equivalent([7, 5, 9, 10, 6, 8], 0.88) == pytest.approx(expected)
    assert equivalent([7, 5, 9, 10, 6, 8], 0.88) == pytest.approx(13.443, abs=0.001)
    assert equivalent([1, 2, 7, 5, 9, 10, 6, 8, 4], 0.88) == pytest.approx(expected)  # six widest
    assert equivalent([6.0], 0.95) == 6.0
    assert isnan(equivalent([], 0.95))


def spokes(shape, centre, inner, outer, widths):
    mask = np.zeros(shape, bool)
    marks = []
    for i, width in enumerate(widths):
        direction = np.array([sin(2 * pi * i / len(widths)), cos(2 * pi * i / len(widths))])
        mask |= tube(shape, centre + inner * direction, centre + outer * direction, width)
        y, x = centre + 2.5 / 5 * outer * direction
        marks.append(Mark(float(y), float(x), "artery" if i % 2 == 0 else "vein"))
    return mask, marks


def test_crae_crve_and_avr_of_vessels_of_known_width_round_a_disc():
    widths = [5, 7, 5, 7, 5, 7, 5, 7, 5, 7, 5, 7]
    centre, radius = np.array([300.0, 300.0]), 50
    mask, marks = spokes((600, 600), centre, radius, 5 * radius, widths)
    found = values(mask, disc=Disc(300, 300, radius), marks=marks, spacing=0.01)
    assert (found["arteries"], found["veins"]) == (6, 6)
    assert found["crae"] == pytest.approx(equivalent([5] * 6, 0.88), abs=0.4)
    assert found["crve"] == pytest.approx(equivalent([7] * 6, 0.95), abs=0.5)
    assert found["avr"] == pytest.approx(found["crae"] / found["crve"])
    assert found["crae_um"] == pytest.approx(10 * found["crae"])
    assert found["disc_diameter_mm"] == pytest.approx(1.0)


def test_zones_are_rings_half_to_one_and_half_to_two_disc_diameters_from_the_margin():
    found = values(np.ones((600, 600), bool), disc=Disc(300, 300, 50))
    disc = Disc(300, 300, 50)
    assert disc.ring("B", (600, 600)).sum() == pytest.approx(pi * (150**2 - 100**2), rel=0.01)
    assert disc.ring("C", (600, 600)).sum() == pytest.approx(pi * (250**2 - 100**2), rel=0.01)
    assert found["vessel_density_zone_b"] == pytest.approx(100)


def test_the_disc_spans_two_clicks_on_its_edge():
    disc = Disc.across((10, 20), (10, 60))
    assert (disc.y, disc.x, disc.radius) == (10, 40, 20)
    with pytest.raises(UserError, match="too close"):
        Disc.across((10, 20), (11, 20))


def test_a_mark_counts_for_the_vessel_beside_it_and_a_later_mark_wins():
    mask, _ = spokes((600, 600), np.array([300.0, 300.0]), 50, 250, [5, 5])
    marks = [Mark(303, 420, "artery"), Mark(300, 400, "vein"), Mark(30, 30, "artery")]
    vessels = measure(mask, disc=Disc(300, 300, 50), marks=marks).vessels
    assert [vessel.kind for vessel in vessels] == ["vein"]
    assert vessels[0].width == pytest.approx(5, abs=0.3)


def test_physical_units_come_with_a_spacing_only():
    mask = tube((100, 300), (50, 20), (50, 280), 6)
    assert not any(key.endswith(("_um", "_mm")) for key in values(mask))
    found = values(mask, spacing=0.005)
    assert found["mean_calibre_um"] == pytest.approx(5 * found["mean_calibre"])
    assert found["total_length_mm"] == pytest.approx(0.005 * found["total_length"])
    assert found["squared_curvature_per_mm2"] == found["squared_curvature"] / 0.005**2


@pytest.mark.parametrize("shape", [(1, 1), (3, 3), (40, 60)])
@pytest.mark.parametrize("fill", [False, True])
def test_empty_full_and_tiny_masks_give_a_table_without_values_where_there_are_none(shape, fill):
    found = values(np.full(shape, fill), disc=Disc(1, 1, 5), marks=[Mark(0, 0, "vein")])
    assert found["vessel_density"] == (100 if fill else 0)
    if not fill:
        assert found["mean_calibre"] is None
        assert found["total_length"] == 0


def test_an_empty_field_of_view_is_no_error():
    found = values(np.ones((50, 50), bool), field_of_view=np.zeros((50, 50), bool))
    assert found["vessel_density"] is None


def test_blots_and_rings_are_measured():
    mask = np.zeros((200, 200), bool)
    mask[disk((60, 60), 25)] = True
    mask |= arc((200, 200), (130, 130), 40, 4, 360)
    mask[polygon([5, 5, 6], [150, 151, 151])] = True
    found = values(mask)
    assert found["total_length"] == pytest.approx(2 * pi * 40, rel=0.1)


@pytest.mark.parametrize("name", ["drive_train/21", "hrf_train/01_h"])
def test_real_vessels_are_measured_within_300_ms(shared_data, name):
    """Of processor time, so that other programs do not count."""
    folder = shared_data / "retina"
    mask, seen = (
        np.asarray(Image.open(folder / f"{name}_{what}.png")) > 0 for what in ("vessels", "fov")
    )
    times = []
    for _ in range(5):
        start = process_time()
        found = measure(mask, seen, disc=Disc(*(np.array(mask.shape) / 2), 40)).as_dict()
        times.append(process_time() - start)
    assert min(times) < 0.3
    assert 5 < found["vessel_density"]["value"] < 20
    assert 1 < found["arc_over_chord"]["value"] < 1.2
    d0, d1, d2 = (found[f"fractal_d{i}"]["value"] for i in range(3))
    assert 2 > d0 >= d1 >= d2 > 1
