"""How many populations, which images share, are kept."""

from weakref import ref

from core.explainers.lime.imputation import population_of


def test_of_many_segments_only_the_last_population_is_kept() -> None:
    first = ref(population_of(129))
    assert first() is population_of(129)
    population_of(130)
    assert first() is None


def test_of_few_segments_the_last_64_populations_are_kept_whatever_many_segments_need() -> None:
    first, second = ref(population_of(20)), ref(population_of(21))
    for count in (*range(22, 85), 129):
        population_of(count)
    assert first() is None
    assert second() is population_of(21)
