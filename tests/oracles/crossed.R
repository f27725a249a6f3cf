# The crossed seed-by-item test: restricted maximum likelihood with Satterthwaite degrees of freedom.

TOLERANCE <- 1e-6  # an iterative optimum and numerical derivatives: lmerTest itself is good to about 2e-7
precise <- lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-12, maxfun = 1e5))

# lmerTest's row of the coefficient table that tests the method, or the intercept where there is none.
satterthwaite <- function(formula, data) {
  table <- coef(summary(lmerTest::lmer(formula, data, control = precise)))
  row <- table[nrow(table), ]
  names <- c(estimate = "Estimate", standard_error = "Std. Error", statistic = "t value", degrees_of_freedom = "df",
             p = "Pr(>|t|)")
  setNames(as.list(row[names]), names(names))
}

# Mean squares and degrees of freedom of one arm, by the analysis of variance.
squares <- function(data) {
  table <- summary(aov(y ~ seed + item, data))[[1]]
  setNames(split(table[c("Mean Sq", "Df")], 1:3), c("seed", "item", "residual"))
}

# Welch's degrees of freedom: each arm's seed and residual variances apart, the items' by their differences.
welch <- function(treatment, baseline) {
  arms <- list(squares(long(treatment, "y")), squares(long(baseline, "y")))
  differences <- squares(long(treatment - baseline, "y"))
  variances <- c(sapply(arms, function(arm) arm$seed[[1]]), differences$item[[1]],
                 -sapply(arms, function(arm) arm$residual[[1]])) / length(treatment)
  freedoms <- c(sapply(arms, function(arm) arm$seed[[2]]), differences$item[[2]],
                sapply(arms, function(arm) arm$residual[[2]]))
  found <- mean(treatment - baseline)
  total <- sum(variances)
  degrees <- total^2 / sum(variances^2 / freedoms)
  list(estimate = found, standard_error = sqrt(total), statistic = found / sqrt(total), degrees_of_freedom = degrees,
       p = 2 * pt(-abs(found) / sqrt(total), degrees))
}

components <- function(formula, data) {
  table <- as.data.frame(VarCorr(lme4::lmer(formula, data, control = precise)))
  setNames(as.list(table$vcov), c(seed = "seed", item = "item", Residual = "residual")[table$grp])
}

long <- function(matrix_SI, value) {
  setNames(data.frame(factor(c(row(matrix_SI))), factor(c(col(matrix_SI))), c(matrix_SI)), c("seed", "item", value))
}

# The deterministic toy, [4 seeds, 12 items] per method m.
toy <- function(m) {
  outer(0:3, 0:11, function(s, i) {
    0.1 * m + ((37 * i) %% 17) / 17 * 0.5 + (((5 * s + 3 * m) * 7) %% 11) / 11 * 0.3 +
      ((11 * i + 5 * m * i) %% 7) / 7 * 0.2 + ((13 * i + 29 * s + 31 * m * (s + 1) * (i + 1)) %% 19) / 19 * 0.2
  })
}

treatment <- toy(1)
baseline <- toy(0)
arms <- rbind(cbind(long(treatment, "y"), method = 1), cbind(long(baseline, "y"), method = 0))
arms$run <- interaction(arms$method, arms$seed)
difference <- long(treatment - baseline, "d")
both <- list(treatment = treatment, baseline = baseline)

# Six samples of penicillin on each of 24 plates, the diameter above 22 mm read once: balanced, crossed, and real.
penicillin <- unname(with(Penicillin, tapply(diameter - 22, list(sample, plate), mean)))
plates <- long(penicillin, "d")

# The variance over all 4^4 x 5^5 equally likely resamples of 4 seeds and 5 items.
corner <- (treatment - baseline)[, 1:5]
weights <- function(n) t(apply(expand.grid(rep(list(1:n), n)), 1, tabulate, nbins = n)) / n
resampled <- weights(4) %*% corner %*% t(weights(5))

list(
  crossed_paired_toy = entry("crossed_paired", both, satterthwaite(d ~ 1 + (1 | seed) + (1 | item), difference),
    "lmerTest::lmer(d ~ 1 + (1 | seed) + (1 | item)), Satterthwaite", TOLERANCE),
  crossed_unpaired_toy = entry("crossed_unpaired", both,
    satterthwaite(y ~ method + (1 | item) + (1 | item:method) + (1 | run), arms)[
      c("estimate", "standard_error", "statistic")],
    "lmerTest::lmer(y ~ method + (1 | item) + (1 | item:method) + (1 | run))", TOLERANCE),
  crossed_unpaired_welch = entry("crossed_unpaired", both, welch(treatment, baseline),
    "stats::aov of either arm and of their differences; Welch 1947"),
  crossed_penicillin = entry("crossed", list(differences = penicillin),
    satterthwaite(d ~ 1 + (1 | seed) + (1 | item), plates),
    "lme4::Penicillin; lmerTest::lmer(diameter - 22 ~ 1 + (1 | sample) + (1 | plate)), Satterthwaite", TOLERANCE),
  components_penicillin = entry("variance_components", list(scores = penicillin),
    components(d ~ 1 + (1 | seed) + (1 | item), plates),
    "lme4::Penicillin; lme4::VarCorr(lmer(diameter - 22 ~ 1 + (1 | sample) + (1 | plate)))", TOLERANCE),
  pigeonhole_toy = entry("pigeonhole_variance", list(scores = corner),
    list(variance = mean(resampled^2) - mean(resampled)^2),
    "base R: variance over every resample of seeds and items (Owen 2007)")
)
