package dev.gatun;

/** What a broken backend does wrong, and which check of {@link OptimizerContract} must notice. */
enum Fault {
    NO_OP("equalsReference"),
    NO_BIAS_CORRECTION("equalsReference"),
    COUPLED_DECAY("equalsReference"),
    DECAY_AFTER_THE_STEP("equalsReference"),
    DECAYS_WHAT_IS_FLAGGED("equalsReference"),
    TAIL_LEFT_OUT("equalsReference"),
    WRITES_PAST_THE_END("keepsToItsMemory"),
    WRITES_GRADIENTS("keepsToItsMemory"),
    STATE_ELSEWHERE("resumeIsInvisible"),
    COUNTER_ADVANCES_ON_A_SKIP("skipsWhatHasNoGradient"),
    DECAYS_WHAT_IS_SKIPPED("skipsWhatHasNoGradient"),
    WRITES_WHAT_IT_REFUSES("refusesWhatIsNotFinite"),
    COUNTS_WHAT_IT_REFUSES("refusesWhatIsNotFinite"),
    CHECKS_ONLY_FIRST_ELEMENTS("refusesWhatIsNotFinite"),
    READS_INPUTS_UNCHECKED("refusesWhatIsNotFinite"),
    FORGETS_INPUTS("equalsReference"),
    ONE_POWER_FOR_ALL_CHANNELS("equalsReference"),
    SWALLOWS_NAN("obeysIeeeUnchecked"),
    LR_OF_THE_FIRST_STEP("equalsReference"),
    LR_OF_THE_FIRST_GROUP("equalsReference"),
    IGNORES_GRADIENT_SCALE("equalsReference"),
    CLIPS_EACH_TENSOR("equalsReference"),
    MOVES_WITHOUT_LR("standsStillWithoutLr"),
    NEVER_THE_SAME("repeatsItsBits"),
    ROUNDS_HALF_UP("roundsItsMasters"),
    DRAWS_THE_SAME_EVERY_STEP("roundsItsMasters"),
    FORGETS_ITS_MASTERS("equalsReference"),
    NORMS_OF_THE_NEIGHBOUR("reportsNorms"),
    NORMS_OF_WHAT_IS_SCALED("reportsNorms");

    final String noticedBy;

    Fault(String noticedBy) {
        this.noticedBy = noticedBy;
    }
}
