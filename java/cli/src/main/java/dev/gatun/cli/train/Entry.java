package dev.gatun.cli.train;

import dev.gatun.Adam;
import dev.gatun.Rule;
import dev.gatun.cli.BadInput;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * One optimizer of a run.
 *
 * @param name short and different from the others': it names a checkpoint file and a curve
 * @param specification canonical form of the optimizer; of DJL's AdamW, that of the same arithmetic
 * @param framework true for DJL's own AdamW, stepped by {@code Trainer.step()}
 */
record Entry(String name, String specification, boolean framework) {
    static final String DJL_ADAMW = "djl-adamw";

    private static final Pattern NAME = Pattern.compile("([a-z_0-9]+)\\s*\\(");

    /**
     * The optimizers of {@code "SPEC; SPEC"}; with DJL's AdamW, it comes last and has the learning rate of the first
     * adamw.
     */
    static List<Entry> parse(String specifications, boolean djlAdamW) {
        List<Entry> entries = new ArrayList<>();
        Set<String> names = new HashSet<>(Set.of(DJL_ADAMW));
        Rule adamW = null;
        for (String text : specifications.split(";")) {
            if (text.isBlank()) {
                continue;
            }
            Rule rule = Rule.parse(text.strip());
            String base = name(rule.toString());
            String name = base;
            for (int i = 2; !names.add(name); i++) {
                name = base + "-" + i;
            }
            entries.add(new Entry(name, rule.toString(), false));
            if (adamW == null && base.equals("adamw")) {
                adamW = rule;
            }
        }
        if (entries.isEmpty()) {
            throw new BadInput("--optimizers: no optimizer in \"" + specifications
                    + "\"; pass for example \"adamw(lr=0.003); sing\"");
        }
        if (djlAdamW && adamW == null) {
            throw new BadInput("--djl-adamw: takes the learning rate of the first adamw, and there is none in \""
                    + specifications + "\"; add one");
        }
        if (djlAdamW) {
            entries.add(new Entry(DJL_ADAMW, Adam.w(adamW.lr()).toString(), true));
        }
        return List.copyOf(entries);
    }

    /** {@code lookahead(adam(lr=0.1))} is called lookahead-adam. */
    private static String name(String specification) {
        Matcher words = NAME.matcher(specification);
        StringBuilder name = new StringBuilder();
        while (words.find()) {
            name.append(name.isEmpty() ? "" : "-").append(words.group(1));
        }
        return name.toString();
    }

    /** For people: who does this arithmetic. */
    String title() {
        return framework ? "DJL's own " + specification : specification;
    }
}
