package dev.gatun;

import java.lang.reflect.Constructor;
import java.lang.reflect.RecordComponent;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.StringJoiner;
import java.util.function.Function;
import java.util.function.Predicate;

/**
 * What the library must know of a rule beside its record: its names in specification strings and what it comes to
 * natively. Keys are the record's components, in their order, spelt with underscores; their defaults are those of a
 * rule that stands with each name. A component {@code inner} is the rule inside, the first argument.
 */
final class RuleForm<R extends Rule> {
    /** The registry. A class of its own, as the records' initializers call this one before their forms are there. */
    private static final class Registry {
        static final List<RuleForm<?>> ALL = Arrays.stream(Rule.class.getPermittedSubclasses())
                .<RuleForm<?>>map(Registry::form)
                .toList();

        private static RuleForm<?> form(Class<?> rule) {
            try {
                return (RuleForm<?>) rule.getDeclaredField("FORM").get(null);
            } catch (ReflectiveOperationException e) {
                throw new AssertionError(rule + " has no FORM", e);
            }
        }
    }

    /** A name, the rule that has its defaults, the rules that print with it, keys without a default, and what it is. */
    record Name<R>(String text, R defaults, Predicate<R> prints, Set<String> required, String about) {}

    private final Class<R> type;
    private final Function<R, Recipe> recipe;
    private final List<Name<R>> names = new ArrayList<>();
    private final List<Key> keys;
    private final Key inner;

    private RuleForm(Class<R> type, Function<R, Recipe> recipe) {
        this.type = type;
        this.recipe = recipe;
        List<Key> components =
                Arrays.stream(type.getRecordComponents()).map(Key::new).toList();
        this.keys = components.stream().filter(key -> key.type() != Rule.class).toList();
        this.inner = components.stream()
                .filter(key -> key.type() == Rule.class)
                .findFirst()
                .orElse(null);
    }

    static <R extends Rule> RuleForm<R> of(Class<R> type, Function<R, Recipe> recipe) {
        return new RuleForm<>(type, recipe);
    }

    /** Every rule there is. */
    static List<RuleForm<?>> all() {
        return Registry.ALL;
    }

    /** Adds a name for all rules that no earlier name prints. */
    RuleForm<R> name(String text, R defaults, String... required) {
        names.add(new Name<>(text, defaults, rule -> true, Set.of(required), ""));
        return this;
    }

    /** Adds a name for some rules. */
    RuleForm<R> name(String text, R defaults, Predicate<R> prints, String... required) {
        names.add(new Name<>(text, defaults, prints, Set.of(required), ""));
        return this;
    }

    /**
     * Says of the name added last what it is and where it was published, for readers of reports.
     *
     * @param what the end of a sentence that begins with the name: "Adam with ..."
     * @param title of the publication
     * @param where its arXiv number, or venue and year
     */
    RuleForm<R> about(String what, String title, String where) {
        Name<R> last = names.removeLast();
        String about = what + " (\"" + title + "\", " + where + ")";
        names.add(new Name<>(last.text, last.defaults, last.prints, last.required, about));
        return this;
    }

    /** What a rule is and where it was published, and the same of the rules inside. */
    static String description(Rule rule) {
        return descriptionOf(of(rule), rule);
    }

    private static <R extends Rule> String descriptionOf(RuleForm<R> form, Rule rule) {
        Name<R> name = form.nameOf(form.type.cast(rule));
        String about = name.text + ": " + name.about;
        return form.wraps() ? about + "; around " + description((Rule) form.inner.of(rule)) : about;
    }

    /** What a rule comes to. */
    static Recipe recipe(Rule rule) {
        return recipeOf(of(rule), rule);
    }

    /** Whether a rule has a weight decay that is not zero. */
    static boolean decays(Rule rule) {
        return of(rule).keys().stream()
                .anyMatch(key ->
                        key.name().equals("weight_decay") && !key.of(rule).equals(0.0));
    }

    private static <R extends Rule> Recipe recipeOf(RuleForm<R> form, Rule rule) {
        return form.recipe.apply(form.type.cast(rule));
    }

    private static RuleForm<?> of(Rule rule) {
        return all().stream()
                .filter(form -> form.type.isInstance(rule))
                .findFirst()
                .orElseThrow();
    }

    List<Name<R>> names() {
        return names;
    }

    List<Key> keys() {
        return keys;
    }

    /** Whether it stands around another rule. */
    boolean wraps() {
        return inner != null;
    }

    /** The canonical specification string: the keys that differ from the defaults, in order. */
    String print(R rule) {
        Name<R> name = nameOf(rule);
        StringJoiner arguments = new StringJoiner(", ", name.text() + "(", ")");
        if (wraps()) {
            arguments.add(inner.of(rule).toString());
        }
        for (Key key : keys) {
            Object value = key.of(rule);
            if (name.required().contains(key.name()) || !value.equals(key.of(name.defaults()))) {
                arguments.add(key.name() + "=" + Key.print(value));
            }
        }
        return arguments.toString();
    }

    private Name<R> nameOf(R rule) {
        return names.stream()
                .filter(name -> name.prints().test(rule))
                .findFirst()
                .orElseThrow();
    }

    /**
     * The rule with a name's defaults, but these values in the order of {@link #keys}, null for the default.
     *
     * @throws IllegalArgumentException as the record's constructor says
     */
    R make(Name<R> name, Rule inner, Object[] values) {
        RecordComponent[] components = type.getRecordComponents();
        Object[] arguments = new Object[components.length];
        Class<?>[] types = new Class<?>[components.length];
        for (int i = 0, k = 0; i < components.length; i++) {
            types[i] = components[i].getType();
            if (types[i] == Rule.class) {
                arguments[i] = inner;
            } else {
                arguments[i] = values[k] != null ? values[k] : keys.get(k).of(name.defaults());
                k++;
            }
        }
        try {
            Constructor<R> constructor = type.getDeclaredConstructor(types);
            return constructor.newInstance(arguments);
        } catch (ReflectiveOperationException e) {
            if (e.getCause() instanceof IllegalArgumentException refused) {
                throw refused;
            }
            throw new AssertionError(type + " has no usable canonical constructor", e);
        }
    }

    /** A component of a rule's record as a key of specification strings. */
    record Key(RecordComponent component) {
        /** {@code weightDecay} is spelt {@code weight_decay}. */
        String name() {
            return component.getName().replaceAll("([A-Z])", "_$1").toLowerCase(Locale.ROOT);
        }

        Class<?> type() {
            return component.getType();
        }

        Object of(Rule rule) {
            try {
                return component.getAccessor().invoke(rule);
            } catch (ReflectiveOperationException e) {
                throw new AssertionError(component + " cannot be read", e);
            }
        }

        static String print(Object value) {
            return switch (value) {
                case Double number -> number(number);
                case Enum<?> word -> word.name().toLowerCase(Locale.ROOT);
                default -> value.toString();
            };
        }

        /** The shortest decimal that reads back as the same double: 0.001, 1e-8, 50. */
        static String number(double value) {
            String[] parts = Double.toString(value).split("E");
            String digits = parts[0].endsWith(".0") ? parts[0].substring(0, parts[0].length() - 2) : parts[0];
            return parts.length == 1 ? digits : digits + "e" + parts[1];
        }
    }
}
