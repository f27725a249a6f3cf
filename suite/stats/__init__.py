"""Statistics of runs as pure functions on arrays: estimates with intervals, not stars.

Scores are matrices [S seeds, n items], effects are treatment minus baseline, and an arm's row s is its seed s. What is
random decides the test: seeds and items (`crossed`, the default for "method R beats S"), seeds alone (`seeds`), items
alone (`mcnemar`, for "these two checkpoints differ").
"""

from suite.stats.association import Association, between_languages, pearson, spearman, within_languages
from suite.stats.bootstrap import pigeonhole, pigeonhole_replicates, pigeonhole_variance
from suite.stats.components import VarianceComponents, variance_components
from suite.stats.conjunction import count_holding, one_sided, partial_conjunction
from suite.stats.counted import (
    counted_macro,
    counted_paired,
    f1_counts,
    macro_f1_from_counts,
    micro_f1_from_counts,
    share_from_counts,
)
from suite.stats.crossed import crossed, crossed_paired, crossed_unpaired, macro_parallel, spread_of, spread_of_arms
from suite.stats.dominance import almost_stochastic_order, violation_ratio
from suite.stats.equivalence import Equivalence, equivalence, non_inferiority
from suite.stats.estimate import Estimate, infer
from suite.stats.families import family_of
from suite.stats.independent import independent_mean
from suite.stats.joint import joint_replicates, joint_replicates_each
from suite.stats.leave_out import leave_one_group_out, leave_one_seed_out
from suite.stats.looks import LookAdjustment, adjust_for_look, spend, unplanned_look_bound
from suite.stats.mcnemar import McNemar, mcnemar, tabulate
from suite.stats.mediation import Mediation, mediate, sensitivity_rho
from suite.stats.multiplicity import ADJUSTMENTS, adjust, benjamini_hochberg, bonferroni, holm, hommel
from suite.stats.new_languages import NewLanguages, new_languages
from suite.stats.planning import Plan, SeedsNeeded, components_of, components_of_arms, plan
from suite.stats.power import crossed_variance, detection_power, minimum_detectable_effect, seeds_needed
from suite.stats.ranks import Ranking, cliques, nemenyi_difference, rank_methods
from suite.stats.seeds import (
    paired_t,
    seed_correlation,
    sign_flip,
    superiority_paired,
    superiority_unpaired,
    welch_t,
)
from suite.stats.simultaneous import Simultaneous, max_t, max_t_each
from suite.stats.spread import Spread, spread_of_means
from suite.stats.superiority import (
    Superiority,
    brunner_munzel,
    superiority_interval_paired,
    superiority_interval_unpaired,
)
from suite.stats.two_arm import TESTS, TwoArmTest, find_test

__all__ = [
    "ADJUSTMENTS",
    "TESTS",
    "Association",
    "Equivalence",
    "Estimate",
    "LookAdjustment",
    "McNemar",
    "Superiority",
    "Mediation",
    "NewLanguages",
    "Plan",
    "Spread",
    "Ranking",
    "SeedsNeeded",
    "Simultaneous",
    "TwoArmTest",
    "VarianceComponents",
    "adjust",
    "almost_stochastic_order",
    "adjust_for_look",
    "benjamini_hochberg",
    "between_languages",
    "bonferroni",
    "brunner_munzel",
    "cliques",
    "count_holding",
    "components_of",
    "components_of_arms",
    "counted_macro",
    "counted_paired",
    "crossed",
    "crossed_paired",
    "crossed_unpaired",
    "crossed_variance",
    "detection_power",
    "equivalence",
    "f1_counts",
    "family_of",
    "find_test",
    "holm",
    "hommel",
    "independent_mean",
    "infer",
    "joint_replicates",
    "joint_replicates_each",
    "leave_one_group_out",
    "leave_one_seed_out",
    "macro_f1_from_counts",
    "macro_parallel",
    "max_t",
    "max_t_each",
    "mcnemar",
    "mediate",
    "micro_f1_from_counts",
    "share_from_counts",
    "minimum_detectable_effect",
    "new_languages",
    "non_inferiority",
    "nemenyi_difference",
    "one_sided",
    "paired_t",
    "partial_conjunction",
    "pearson",
    "pigeonhole",
    "pigeonhole_replicates",
    "pigeonhole_variance",
    "plan",
    "rank_methods",
    "seed_correlation",
    "seeds_needed",
    "sensitivity_rho",
    "sign_flip",
    "spearman",
    "spread_of",
    "spread_of_arms",
    "spread_of_means",
    "superiority_interval_paired",
    "superiority_interval_unpaired",
    "spend",
    "superiority_paired",
    "superiority_unpaired",
    "tabulate",
    "unplanned_look_bound",
    "variance_components",
    "violation_ratio",
    "welch_t",
    "within_languages",
]
