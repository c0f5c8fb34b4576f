package dev.gatun;

import static org.assertj.core.api.Assertions.assertThat;

import dev.gatun.bindings.GatunC;
import java.lang.reflect.Method;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/**
 * A rule is in every suite or in none: whoever adds a line to the registry of gatun.h, or a name to the specification
 * strings, learns here what is missing. What the native suites go through, bits_test and gates.sh look after.
 */
class RegistryTest {
    private static final List<Rule> SUBJECTS =
            Subject.SPECIFICATIONS.stream().map(Rule::parse).toList();

    @Test
    void everyRuleOfTheAbiHasARecordAndASubject() throws Exception {
        Set<Integer> numbers = new TreeSet<>();
        for (Method method : GatunC.class.getMethods()) {
            if (method.getName().startsWith("GATUN_RULE_")) {
                numbers.add((int) method.invoke(null));
            }
        }
        assertThat(numbers).hasSizeGreaterThanOrEqualTo(15);
        assertThat(RuleTest.RULES.stream()
                        .map(rule -> RuleForm.recipe(rule).update().number())
                        .collect(Collectors.toSet()))
                .containsAll(numbers);
        assertThat(SUBJECTS.stream()
                        .map(rule -> RuleForm.recipe(rule).update().number())
                        .collect(Collectors.toSet()))
                .isEqualTo(numbers);
    }

    @Test
    void everyKindOfTransformationAndAverageHasASubject() {
        assertThat(kinds(recipe -> recipe.transforms().stream().map(Recipe.Transform::kind)))
                .containsExactly(GatunC.GATUN_CLIP(), GatunC.GATUN_STANDARDIZE());
        assertThat(kinds(recipe -> recipe.averages().stream().map(Recipe.Average::kind)))
                .containsExactly(GatunC.GATUN_LOOKAHEAD(), GatunC.GATUN_EMA(), GatunC.GATUN_EMA_BYOL());
    }

    private static Set<Integer> kinds(Function<Recipe, Stream<Integer>> of) {
        return SUBJECTS.stream().map(RuleForm::recipe).flatMap(of).collect(Collectors.toCollection(TreeSet::new));
    }

    /** And where a key chooses between forms, it is given in one. */
    @Test
    void everyNameAndEveryKeyHasASubject() {
        for (RuleForm<?> form : RuleForm.all()) {
            for (RuleForm.Name<?> name : form.names()) {
                List<String> with = uses(name.text(), form.wraps());
                assertThat(with).as("a subject with " + name.text()).isNotEmpty();
            }
            List<String> all = form.names().stream()
                    .flatMap(name -> uses(name.text(), form.wraps()).stream())
                    .toList();
            for (RuleForm.Key key : form.keys()) {
                boolean choice = key.type() == boolean.class || key.type().isEnum();
                boolean used = all.stream().anyMatch(use -> use.contains(key.name() + "="));
                assertThat(used || !choice)
                        .as("a subject with " + form.names().getFirst().text() + "(" + key.name() + "=...)")
                        .isTrue();
            }
        }
    }

    private static List<String> uses(String name, boolean wraps) {
        String inner = wraps ? name + "\\([a-z]+\\(.*" : name + "\\([^()]*\\).*";
        return Subject.SPECIFICATIONS.stream()
                .filter(specification -> specification.matches("(.*\\()?" + inner))
                .toList();
    }

    @Test
    void everyUpdateHasATraceAndEveryTraceIsReplayed() throws Exception {
        Path folder = Path.of(RegistryTest.class.getResource("/traces").toURI());
        Set<String> optimizers = new TreeSet<>();
        Set<String> files = new TreeSet<>();
        try (Stream<Path> traces = Files.list(folder)) {
            for (Path trace : traces.toList()) {
                files.add(trace.getFileName().toString().replace(".safetensors", ""));
                optimizers.add(Safetensors.read(trace).metadata().get("optimizer"));
            }
        }
        assertThat(files).isEqualTo(new TreeSet<>(TraceTest.TRACES));
        Set<Integer> updates = optimizers.stream()
                .map(Rule::parse)
                .map(rule -> RuleForm.recipe(rule).update().number())
                .collect(Collectors.toSet());
        assertThat(updates)
                .isEqualTo(SUBJECTS.stream()
                        .map(rule -> RuleForm.recipe(rule).update().number())
                        .collect(Collectors.toSet()));
    }
}
