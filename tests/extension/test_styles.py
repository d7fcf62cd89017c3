"""Style sheets lose the rules that no page can use, and nothing else."""

import pytest

from cnnlib.site.styles import pruned

KNOWN = {"seen", "row"}


@pytest.mark.parametrize("sheet, left", [
    (".seen{a:b}.gone{c:d}", ".seen{a:b}"),
    (".gone,.seen p,.seen .gone{a:b}", ".seen p{a:b}"),
    ("p:not(.gone){a:b}", "p:not(.gone){a:b}"),
    (":is(.gone,.row):hover{a:b}", ":is(.gone,.row):hover{a:b}"),
    (":is(a,:not(.gone),b) i,.gone{a:b}", ":is(a,:not(.gone),b) i{a:b}"),
    ("@media print{.gone{a:b}.row{c:d}}", "@media print{.row{c:d}}"),
    ("@media print{.gone{a:b}}", ""),
    ("@font-face{font-family:.gone}@keyframes x{from{a:b}to{c:d}}",
     "@font-face{font-family:.gone}@keyframes x{from{a:b}to{c:d}}"),
    ('@charset "UTF-8";:root{--a:url(x.svg)}/* .seen{} */', '@charset "UTF-8";:root{--a:url(x.svg)}'),
])
def test_a_rule_stays_where_every_class_that_it_needs_is_known(sheet, left):
    assert pruned(sheet, KNOWN) == left
