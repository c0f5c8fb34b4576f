package dev.gatun;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.reflect.Constructor;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.RecordComponent;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.function.DoublePredicate;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

class RuleTest {
    /** One rule of every kind. */
    static final List<Rule> RULES = List.of(
            Sgd.of(0.1).withMomentum(0.9),
            Adam.of(1e-3),
            AdaBelief.of(1e-3),
            RAdam.of(1e-3),
            Pnm.of(0.1),
            AdaPnm.of(1e-3),
            Aida.of(1e-3),
            LAdam.of(1e-3),
            LAdaBelief.of(1e-3),
            AdaL.of(1e-3),
            Lamb.of(1e-3),
            Lars.of(0.1),
            Nsgd.of(0.1),
            GenericAdam.of(1e-3),
            AdamP.of(1e-3),
            Sgdp.of(0.1),
            Sing.official(5e-3),
            Sing.before(Adam.of(1e-3)),
            new Clip(Adam.of(1e-3), 1),
            Lookahead.of(Adam.of(1e-3)),
            Ema.byol(Adam.of(1e-3), 100));

    private static final double[] VALUES = {
        Double.NaN,
        Double.POSITIVE_INFINITY,
        Double.NEGATIVE_INFINITY,
        -1,
        -0.0,
        0,
        1,
        Math.nextUp(1.0),
        Double.MAX_VALUE
    };

    private static final DoublePredicate AT_LEAST_ZERO = v -> v >= 0 && v <= Double.MAX_VALUE;
    private static final DoublePredicate BELOW_ONE = v -> v >= 0 && v < 1;
    private static final DoublePredicate FRACTION = v -> v >= 0 && v <= 1;
    private static final Map<String, DoublePredicate> RANGES = Map.ofEntries(
            Map.entry("lr", AT_LEAST_ZERO),
            Map.entry("momentum", AT_LEAST_ZERO),
            Map.entry("dampening", FRACTION),
            Map.entry("weightDecay", AT_LEAST_ZERO),
            Map.entry("beta0", v -> Math.abs(v) <= Double.MAX_VALUE),
            Map.entry("beta1", BELOW_ONE),
            Map.entry("beta2", BELOW_ONE),
            Map.entry("eps", AT_LEAST_ZERO),
            Map.entry("Nsgd eps", v -> v > 0 && v <= Double.MAX_VALUE),
            Map.entry("eta", AT_LEAST_ZERO),
            Map.entry("inputBeta", BELOW_ONE),
            Map.entry("xi", AT_LEAST_ZERO),
            Map.entry("maxGradNorm", AT_LEAST_ZERO),
            Map.entry("softplus", AT_LEAST_ZERO),
            Map.entry("lookaheadAlpha", FRACTION),
            Map.entry("norm", v -> v > 0 && v <= Double.MAX_VALUE),
            Map.entry("alpha", FRACTION),
            Map.entry("delta", AT_LEAST_ZERO),
            Map.entry("wdRatio", AT_LEAST_ZERO),
            Map.entry("r", FRACTION),
            Map.entry("tau", FRACTION));

    static Stream<Arguments> numbers() {
        return RULES.stream()
                .flatMap(rule -> Arrays.stream(rule.getClass().getRecordComponents())
                        .filter(component -> component.getType() == double.class)
                        .flatMap(component -> Arrays.stream(VALUES)
                                .mapToObj(value -> Arguments.of(rule, component.getName(), value))));
    }

    @ParameterizedTest
    @MethodSource("numbers")
    void everyNumberHasItsRange(Rule rule, String parameter, double value) throws Throwable {
        boolean decays = rule instanceof Sgdp && parameter.equals("momentum"); // decay / (1 - momentum)
        DoublePredicate range =
                RANGES.getOrDefault(rule.getClass().getSimpleName() + " " + parameter, RANGES.get(parameter));
        if ((decays ? BELOW_ONE : range).test(value)) {
            Rule made = with(rule, parameter, value);
            assertThat(made.toString()).doesNotContain("-0");
            assertThat(Rule.parse(made.toString())).isEqualTo(made);
        } else {
            assertThatThrownBy(() -> with(rule, parameter, value))
                    .isExactlyInstanceOf(IllegalArgumentException.class)
                    .hasMessageStartingWith(parameter + " must be ")
                    .hasMessageEndingWith("is " + value);
        }
    }

    @Test
    void wholeNumbersHaveTheirRange() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Sing.official(1).withLookahead(-1))
                .withMessage("lookahead must be 0 or more, and is -1");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Lookahead.of(Sgd.of(1)).withK(0))
                .withMessage("k must be 1 or more, and is 0");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Aida.of(1).withK(-1))
                .withMessage("k must be 0 or more, and is -1");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Aida.of(1).withK(1001))
                .withMessage("k must be 1000 or less, and is 1001");
    }

    @Test
    void nesterovNeedsMomentumAndNoDampening() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Sgd.of(0.1).withNesterov(true))
                .withMessageContaining("nesterov")
                .withMessageContaining("momentum is 0.0");
        assertThatIllegalArgumentException()
                .isThrownBy(
                        () -> Sgd.of(0.1).withMomentum(0.9).withDampening(0.5).withNesterov(true))
                .withMessageContaining("dampening is 0.5");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Nsgd.of(0.1).withNesterov(true).withMomentum(0))
                .withMessageContaining("momentum is 0.0");
    }

    @Test
    void everyComponentHasAWither() throws Exception {
        for (Rule rule : RULES) {
            for (RecordComponent component : rule.getClass().getRecordComponents()) {
                String name = component.getName();
                String wither = "with" + Character.toUpperCase(name.charAt(0)) + name.substring(1);
                Object value = component.getAccessor().invoke(rule);
                Object same =
                        rule.getClass().getMethod(wither, component.getType()).invoke(rule, value);
                assertThat(same).as("%s of %s", wither, rule).isEqualTo(rule);
                Object other = other(value);
                Object changed =
                        rule.getClass().getMethod(wither, component.getType()).invoke(rule, other);
                assertThat(component.getAccessor().invoke(changed)).isEqualTo(other);
                assertThat(changed).isNotEqualTo(rule);
            }
        }
    }

    private static Object other(Object value) {
        return switch (value) {
            case Double d -> d == 0.25 ? 0.5 : 0.25;
            case Integer i -> i + 1;
            case Boolean b -> !b;
            case Decay d -> Decay.FIXED;
            case Enum<?> e -> e.getDeclaringClass().getEnumConstants()[1 - e.ordinal()];
            default -> Adam.w(0.5);
        };
    }

    @Test
    void theRegistryHasEveryPermittedRule() {
        List<Class<?>> registered =
                RULES.stream().<Class<?>>map(Object::getClass).toList();
        assertThat(registered).containsExactlyInAnyOrder(Rule.class.getPermittedSubclasses());
        assertThat(RuleForm.all()).hasSameSizeAs(registered);
        for (Rule rule : RULES) {
            assertThatCode(() -> RuleForm.recipe(rule)).doesNotThrowAnyException();
        }
    }

    @Test
    void slotsStandInTheOrderOfTheAbi() {
        assertThat(Sgd.of(0.1).slots()).isEmpty();
        assertThat(Sgd.of(0.1).withMomentum(0.9).slots()).containsExactly("b");
        assertThat(Adam.of(1).slots()).containsExactly("m", "v");
        assertThat(Adam.of(1).withAmsgrad(true).slots()).containsExactly("m", "v", "vmax");
        assertThat(Sing.official(1).slots()).containsExactly("m", "v", "slow");
        assertThat(Nsgd.of(1).slots()).containsExactly("b", "power");
        assertThat(Nsgd.insgd(1).withMomentum(0).slots()).containsExactly("power");
        assertThat(AdaPnm.of(1).slots()).containsExactly("pos", "neg", "v", "vmax");
        assertThat(Rule.parse("lookahead(ladam())").slots()).containsExactly("m", "v", "slow");
        assertThat(Rule.parse("lookahead(ema(lookahead(sing())))").slots())
                .containsExactly("m", "v", "slow", "slow2", "ema", "slow3");
    }

    @Test
    void trafficIsThatOfTheSpecification() {
        assertThat(Sgd.of(1).bytesPerParameter(DType.F32, false)).isEqualTo(12);
        assertThat(Sgd.of(1).withMomentum(0.9).bytesPerParameter(DType.F32, false))
                .isEqualTo(20);
        assertThat(Adam.w(1).bytesPerParameter(DType.F32, false)).isEqualTo(28);
        assertThat(Adam.w(1).bytesPerParameter(DType.F32, true)).isEqualTo(32);
        assertThat(Adam.w(1).bytesPerParameter(DType.F64, false)).isEqualTo(56);
        assertThat(Adam.w(1).withAmsgrad(true).bytesPerParameter(DType.F32, false))
                .isEqualTo(36);
        assertThat(Sing.plain(1).bytesPerParameter(DType.F32, true)).isEqualTo(32);
        assertThat(Sing.official(1).bytesPerParameter(DType.F32, true)).isEqualTo(33.6);
        assertThat(Rule.parse("sing(sgd(lr=1, momentum=0.9))").bytesPerParameter(DType.F32, false))
                .isEqualTo(24);
        assertThat(Pnm.of(1).bytesPerParameter(DType.F32, false)).isEqualTo(24);
        assertThat(AdaPnm.of(1).bytesPerParameter(DType.F32, false)).isEqualTo(40);
        assertThat(AdaPnm.of(1).withAmsgrad(false).bytesPerParameter(DType.F32, false))
                .isEqualTo(32);
        assertThat(Aida.of(1).bytesPerParameter(DType.F32, true)).isEqualTo(36);
        assertThat(Aida.of(1).withWeightDecay(0.1).bytesPerParameter(DType.F32, false))
                .isEqualTo(40);
        assertThat(LAdam.of(1).bytesPerParameter(DType.F32, true)).isEqualTo(24);
        assertThat(LAdaBelief.of(1).bytesPerParameter(DType.F32, true)).isEqualTo(28);
        assertThat(AdaL.of(1).bytesPerParameter(DType.F32, true)).isEqualTo(32);
        assertThat(AdamP.of(1).bytesPerParameter(DType.F32, true)).isEqualTo(44);
        assertThat(Sgdp.of(1).bytesPerParameter(DType.F32, true)).isEqualTo(32);
        assertThat(Nsgd.of(1).bytesPerParameter(DType.F32, false)).isEqualTo(20);
        assertThat(Lamb.of(1).withMaxGradNorm(0).bytesPerParameter(DType.F32, true))
                .isEqualTo(44);
    }

    @Test
    void nestingHasALimit() {
        Rule rule = Adam.of(1e-3);
        for (int i = 0; i < 4; i++) {
            rule = new Clip(rule, 1);
        }
        Rule tooDeep = new Clip(rule, 1);
        assertThatIllegalArgumentException().isThrownBy(tooDeep::slots).withMessageContaining("at most 4");
    }

    static Rule with(Rule rule, String parameter, double value) throws Throwable {
        RecordComponent[] components = rule.getClass().getRecordComponents();
        Object[] values = new Object[components.length];
        for (int i = 0; i < values.length; i++) {
            values[i] = components[i].getName().equals(parameter)
                    ? value
                    : components[i].getAccessor().invoke(rule);
        }
        Constructor<?> constructor = rule.getClass()
                .getDeclaredConstructor(
                        Arrays.stream(components).map(RecordComponent::getType).toArray(Class<?>[]::new));
        try {
            return (Rule) constructor.newInstance(values);
        } catch (InvocationTargetException e) {
            throw e.getCause();
        }
    }
}
