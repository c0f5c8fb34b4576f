package dev.gatun;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Stream;

/**
 * Reads {@code name(argument, ...)}: an argument is {@code key=value} or, first and only where the name takes one, an
 * inner rule. A name alone is one with all defaults. What names and keys there are is said by {@link RuleForm}.
 */
final class RuleParser {
    /** As many transformations and averages as the C ABI takes; deeper nesting is only an attack on the stack. */
    private static final int DEEPEST = 8;

    private final Scanner in;

    RuleParser(String specification) {
        this.in = new Scanner(Check.notNull("specification", specification));
    }

    /** A value as it stands in the string: what it says, and where. */
    private record Given(String text, int position) {}

    Rule parse() {
        Rule rule = rule(0);
        in.requireEnd();
        return rule;
    }

    private Rule rule(int depth) {
        int start = in.position();
        String name = in.word("the name of an optimizer");
        if (depth > DEEPEST) {
            throw in.error("more than " + DEEPEST + " optimizers inside each other", start);
        }
        requireKnown(name, start);
        Rule inner = null;
        Map<String, Given> values = new LinkedHashMap<>();
        boolean first = true;
        boolean bare = in.atNameEnd();
        if (!bare) {
            in.require('(', "'" + name + "' has no '(': write " + name + "(), with key=value for what is not default");
        }
        while (!bare && !in.take(')')) {
            if (!first) {
                in.require(',', "a ',' or the closing ')' of '" + name + "' is missing");
            }
            int argument = in.position();
            if (in.atEnd()) {
                throw in.error("the closing ')' of '" + name + "' is missing", argument);
            }
            if (in.atInnerRule(names())) {
                if (!first) {
                    throw in.error("an inner optimizer must be the first argument of '" + name + "'", argument);
                }
                if (form(name, true) == null) {
                    throw in.error("'" + name + "' takes no inner optimizer", argument);
                }
                inner = rule(depth + 1);
            } else {
                key(name, inner != null, values);
            }
            first = false;
        }
        RuleForm<?> form = form(name, inner != null);
        if (form == null) {
            throw in.error(
                    "'" + name + "' needs an inner optimizer as its first argument: " + name + "(adam())", start);
        }
        return make(form, name, inner, values, start);
    }

    private void key(String name, boolean wraps, Map<String, Given> values) {
        int start = in.position();
        String key = in.word("a key of '" + name + "'");
        RuleForm<?> form = form(name, wraps);
        List<String> keys = form == null
                ? List.of()
                : form.keys().stream().map(RuleForm.Key::name).toList();
        if (form != null && !keys.contains(key)) {
            throw in.error(
                    "'" + name + "' has no key '" + key + "'" + Nearest.hint(key, keys) + " It has "
                            + String.join(", ", keys),
                    start);
        }
        in.require('=', "'" + key + "' has no value: write " + key + "=...");
        int position = in.position();
        if (values.put(key, new Given(in.value(key), position)) != null) {
            throw in.error("'" + key + "' is given twice", start);
        }
    }

    private <R extends Rule> Rule make(
            RuleForm<R> form, String name, Rule inner, Map<String, Given> values, int start) {
        RuleForm.Name<R> named = form.names().stream()
                .filter(n -> n.text().equals(name))
                .findFirst()
                .orElseThrow();
        for (String required : named.required()) {
            if (!values.containsKey(required)) {
                throw in.error(
                        "'" + name + "' needs " + required + ": it has no default, write " + name + "(" + required
                                + "=...)",
                        start);
            }
        }
        Object[] arguments = new Object[form.keys().size()];
        for (int k = 0; k < arguments.length; k++) {
            RuleForm.Key key = form.keys().get(k);
            Given given = values.get(key.name());
            arguments[k] = given == null ? null : read(key, given);
        }
        try {
            return form.make(named, inner, arguments);
        } catch (IllegalArgumentException e) {
            throw in.error(e.getMessage(), culprit(form, named, inner, arguments, values, e, start));
        }
    }

    /** Where the value stands that alone is refused for the same reason; the name, if it takes several. */
    private <R extends Rule> int culprit(
            RuleForm<R> form,
            RuleForm.Name<R> name,
            Rule inner,
            Object[] arguments,
            Map<String, Given> values,
            IllegalArgumentException reason,
            int start) {
        for (int k = 0; k < arguments.length; k++) {
            Object[] alone = new Object[arguments.length];
            alone[k] = arguments[k];
            try {
                form.make(name, inner, alone);
            } catch (IllegalArgumentException e) {
                if (e.getMessage().equals(reason.getMessage())) {
                    return values.get(form.keys().get(k).name()).position();
                }
            }
        }
        return start;
    }

    private Object read(RuleForm.Key key, Given given) {
        Class<?> type = key.type();
        if (type == double.class) {
            return in.number(key.name(), given.text(), given.position());
        }
        if (type == int.class) {
            return (int) in.whole(key.name(), given.text(), given.position(), Integer.MAX_VALUE);
        }
        List<String> words = type == boolean.class
                ? List.of("true", "false")
                : Stream.of(type.getEnumConstants()).map(RuleForm.Key::print).toList();
        if (!words.contains(given.text())) {
            throw in.error(
                    key.name() + " must be " + String.join(" or ", words) + ", and is '" + given.text() + "'"
                            + Nearest.hint(given.text(), words),
                    given.position());
        }
        return type == boolean.class ? given.text().equals("true") : word(type, given.text());
    }

    private static Object word(Class<?> type, String text) {
        return Stream.of(type.getEnumConstants())
                .filter(constant -> ((Enum<?>) constant).name().equals(text.toUpperCase(Locale.ROOT)))
                .findFirst()
                .orElseThrow();
    }

    private static List<String> names() {
        return RuleForm.all().stream()
                .flatMap(form -> form.names().stream().map(RuleForm.Name::text))
                .distinct()
                .sorted()
                .toList();
    }

    private void requireKnown(String name, int start) {
        List<String> sorted = names();
        if (!sorted.contains(name)) {
            throw in.error(
                    "there is no optimizer '" + name + "'" + Nearest.hint(name, sorted) + " There are "
                            + String.join(", ", sorted),
                    start);
        }
    }

    /** The form behind a name; one name, {@code sing}, has two: with and without an inner rule. */
    private static RuleForm<?> form(String name, boolean wraps) {
        return RuleForm.all().stream()
                .filter(form -> form.wraps() == wraps)
                .filter(form -> form.names().stream().anyMatch(n -> n.text().equals(name)))
                .findFirst()
                .orElse(null);
    }
}
