"""Statistics of runs as pure functions on arrays: estimates with intervals, not stars.

Scores are matrices [S seeds, n items], effects are treatment minus baseline, and an arm's row s is its seed s. What is
random decides the test: seeds and items (`crossed`, the default for "method R beats S"), seeds alone (`seeds`), items
alone (`mcnemar`, for "these two checkpoints differ").
"""

from suite.stats.association import Association, between_languages, pearson, spearman, within_languages
from suite.stats.bootstrap import pigeonhole, pigeonhole_replicates, pigeonhole_variance
from suite.stats.components import VarianceComponents, variance_components
from suite.stats.crossed import crossed, crossed_paired, crossed_unpaired, macro_parallel
from suite.stats.estimate import Estimate, infer
from suite.stats.mcnemar import McNemar, mcnemar, tabulate
from suite.stats.multiplicity import ADJUSTMENTS, adjust, benjamini_hochberg, bonferroni, holm, hommel
from suite.stats.power import crossed_variance, detection_power, minimum_detectable_effect, seeds_needed
from suite.stats.seeds import (
    paired_t,
    seed_correlation,
    sign_flip,
    superiority_paired,
    superiority_unpaired,
    welch_t,
)
from suite.stats.two_arm import TESTS, TwoArmTest, find_test

__all__ = [
    "ADJUSTMENTS",
    "TESTS",
    "Association",
    "Estimate",
    "McNemar",
    "TwoArmTest",
    "VarianceComponents",
    "adjust",
    "benjamini_hochberg",
    "between_languages",
    "bonferroni",
    "crossed",
    "crossed_paired",
    "crossed_unpaired",
    "crossed_variance",
    "detection_power",
    "find_test",
    "holm",
    "hommel",
    "infer",
    "macro_parallel",
    "mcnemar",
    "minimum_detectable_effect",
    "paired_t",
    "pearson",
    "pigeonhole",
    "pigeonhole_replicates",
    "pigeonhole_variance",
    "seed_correlation",
    "seeds_needed",
    "sign_flip",
    "spearman",
    "superiority_paired",
    "superiority_unpaired",
    "tabulate",
    "variance_components",
    "welch_t",
    "within_languages",
]
