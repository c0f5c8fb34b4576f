package dev.gatun;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import java.util.Locale;
import java.util.Set;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

class SpecificationTest {
    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "adam()                                     | adam()",
                "adam(lr=1e-3, beta1=.9)                    | adam()",
                "adamw()                                    | adamw()",
                " adamw                                     | adamw()",
                "sing                                       | sing()",
                "sing(adamw)                                | sing(adamw())",
                "lookahead( clip(sing , norm=2) , k=3)      | lookahead(clip(sing(), norm=2), k=3)",
                "adamw( lr = 1e-2 , weight_decay=.1 )       | adamw(lr=0.01, weight_decay=0.1)",
                "adam(decay=decoupled, weight_decay=0.01)   | adamw()",
                "adamw(decay=l2)                            | adam(weight_decay=0.01)",
                "adam(eps=1e-16, lr=0.0001)                 | adam(lr=1e-4, eps=1e-16)",
                "adam(lr=12345678)                          | adam(lr=1.2345678e7)",
                "adam(softplus=50.0)                        | adam(softplus=50)",
                "sgd(nesterov=true, momentum=0.9, lr=0.1)   | sgd(lr=0.1, momentum=0.9, nesterov=true)",
                "sgd(lr=0)                                  | sgd(lr=0)",
                "sing()                                     | sing()",
                "sing(lookahead=0, softplus=0)              | sing(softplus=0, lookahead=0)",
                "sing(adam())                               | sing(adam())",
                "sing(sgd(lr=1), center=false)              | sing(sgd(lr=1), center=false)",
                "lookahead(sing(adam(lr=0.005, beta1=0.9)), k=5, alpha=0.5) | lookahead(sing(adam(lr=0.005)))",
                "nsgd(lr=1, norm=l1, input_beta=.9)         | nsgd(lr=1, norm=l1, input_beta=0.9)",
                "nsgd(lr=1, order=pre, transform=log)       | insgd(lr=1)",
                "insgd(lr=1, transform=plain)               | nsgd(lr=1, order=pre)",
                "insgd(lr=1, scope=layer, momentum=0)       | insgd(lr=1, momentum=0, scope=layer)",
                "clip(ema(sing(), tau=0.5), norm=2)         | clip(ema(sing(), tau=0.5), norm=2)",
                "ema(adam(), tau=.996, steps=100, tau_schedule=byol) | ema(adam(), tau=0.996, tau_schedule=byol, steps=100)",
                "ema(adam(amsgrad=true), tau=0.999)         | ema(adam(amsgrad=true))",
            })
    void printsTheCanonicalForm(String specification, String canonical) {
        Rule rule = Rule.parse(specification);
        assertThat(rule).hasToString(canonical);
        assertThat(Rule.parse(canonical)).isEqualTo(rule);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "adm(lr=1)                    | 0  | no optimizer 'adm': did you mean 'adam'?",
                "koala_v(lr=1)                | 0  | no optimizer 'koala_v'",
                "adam(betal1=0.9)             | 5  | no key 'betal1': did you mean 'beta1'?",
                "clip(adam(), nrom=1)         | 13 | no key 'nrom': did you mean 'norm'?",
                "sing(adam(), softplus=1)     | 13 | no key 'softplus'",
                "adam(lr=-1)                  | 8  | lr must be 0 or more and finite, and is -1.0",
                "adam(lr=1e999)               | 8  | lr must be 0 or more and finite, and is Infinity",
                "adam(beta2=1, lr=2)          | 11 | beta2 must be 0 or more and below 1, and is 1.0",
                "lookahead(adam(), k=0)       | 20 | k must be 1 or more, and is 0",
                "lookahead(adam(), k=2.5)     | 20 | k must be a whole number, and is '2.5'",
                "lookahead(adam(), k=99999999999999999999) | 20 | k must be at most 2147483647",
                "ema(adam(), tau_schedule=byol) | 25 | steps must be 1 or more, and is 0",
                "adam(lr=fast)                | 8  | lr must be a number, and is 'fast'",
                "adam(lr=NaN)                 | 8  | lr must be a number, and is 'NaN'",
                "adam(lr=0x1p3)               | 8  | lr must be a number",
                "adam(lr=1d)                  | 8  | lr must be a number",
                "adam(decay=l3) | 11 | decay must be l2 or decoupled or fixed, and is 'l3': did you mean 'l2'?",
                "adam(amsgrad=yes)            | 13 | amsgrad must be true or false, and is 'yes'",
                "adam lr=1                    | 5  | 'adam' has no '('",
                "sgd                          | 0  | 'sgd' needs lr: it has no default, write sgd(lr=...)",
                "clip(sgd)                    | 5  | 'sgd' needs lr",
                "clip                         | 0  | 'clip' needs an inner optimizer as its first argument",
                "adm                          | 0  | no optimizer 'adm': did you mean 'adam'?",
                "adam, adam                   | 4  | nothing is expected after the end of an optimizer",
                "clip(adam norm=1)            | 10 | 'adam' has no value",
                "clip(norm=1, adam)           | 13 | an inner optimizer must be the first argument of 'clip'",
                "adam(adam)                   | 5  | 'adam' takes no inner optimizer",
                "adam(                        | 5  | the closing ')' of 'adam' is missing",
                "adam(lr=1                    | 9  | a ',' or the closing ')' of 'adam' is missing",
                "adam(lr=1 beta1=2)           | 10 | a ',' or the closing ')' of 'adam' is missing",
                "adam(lr)                     | 7  | 'lr' has no value",
                "adam(lr=)                    | 8  | 'lr' has no value",
                "adam(lr=1, lr=2)             | 11 | 'lr' is given twice",
                "adam(lr=1,)                  | 10 | a key of 'adam' is expected",
                "adam())                      | 6  | nothing is expected after the end of an optimizer",
                "adam() adam()                | 7  | nothing is expected after the end of an optimizer",
                "sgd()                        | 0  | 'sgd' needs lr",
                "insgd()                      | 0  | 'insgd' needs lr",
                "nsgd(lr=1, eps=0)            | 15 | eps must be above 0 and finite, and is 0.0",
                "sgd(lr=1, nesterov=true)     | 19 | nesterov needs momentum above 0",
                "adam(adam())                 | 5  | 'adam' takes no inner optimizer",
                "clip()                       | 0  | 'clip' needs an inner optimizer as its first argument",
                "clip(norm=1, adam())         | 13 | an inner optimizer must be the first argument of 'clip'",
                "clip(adm())                  | 5  | no optimizer 'adm'",
                "1adam()                      | 0  | the name of an optimizer is expected",
                "ädam()                       | 0  | the name of an optimizer is expected",
            })
    void saysWhatIsWrongAndWhere(String specification, int position, String reason) {
        SpecificationException e = catchThrowableOfType(SpecificationException.class, () -> Rule.parse(specification));
        assertThat(e).as(specification).isNotNull();
        assertThat(e.getMessage()).contains(reason);
        assertThat(e.position()).as(e.getMessage()).isEqualTo(position);
        assertThat(e.specification()).isEqualTo(specification);
        assertThat(e.getMessage()).endsWith("\n  " + specification + "\n  " + " ".repeat(position) + "^");
    }

    @ParameterizedTest
    @ValueSource(strings = {"", " ", "\t\n", "("})
    void emptinessIsNoOptimizer(String specification) {
        assertThat(catchThrowableOfType(SpecificationException.class, () -> Rule.parse(specification)))
                .hasMessageContaining("the name of an optimizer is expected");
    }

    /** The names that need nothing are those that stand for their defaults. */
    @Test
    void aBareNameIsTheNameWithItsDefaults() {
        for (RuleForm<?> form : RuleForm.all()) {
            for (RuleForm.Name<?> name : form.names()) {
                if (!form.wraps() && name.required().isEmpty()) {
                    assertThat(Rule.parse(name.text()))
                            .isEqualTo(name.defaults())
                            .hasToString(name.text() + "()");
                }
            }
        }
    }

    /** Reports take their sentence on an optimizer, and where it is published, from its registration. */
    @Test
    void everyNameSaysWhatItIsAndWhereItIsPublished() {
        for (RuleForm<?> form : RuleForm.all()) {
            for (RuleForm.Name<?> name : form.names()) {
                assertThat(name.about())
                        .as("about() of '" + name.text() + "'")
                        .matches(".{20,} \\(\"[^\"]{20,}\", (arXiv \\d{4}\\.\\d{4,5}(v\\d)?|\\w+ \\d{4})\\)");
            }
        }
        assertThat(Rule.parse("clip(sing(adamw))").description())
                .startsWith("clip: ")
                .contains("1211.5063); around sing: ", "2305.15997); around adamw: ")
                .endsWith("(\"Decoupled Weight Decay Regularization\", arXiv 1711.05101)");
        assertThat(Rule.parse("adal").description()).contains("reconstruction");
    }

    @Test
    void deepNestingIsRefusedAndNotAStackOverflow() {
        String deep = "clip(".repeat(100_000) + "adam()" + ")".repeat(100_000);
        assertThat(catchThrowableOfType(SpecificationException.class, () -> Rule.parse(deep)))
                .hasMessageContaining("inside each other");
    }

    @ParameterizedTest
    @MethodSource("dev.gatun.RuleTest#numbers")
    void valuesOutOfRangeAreRefusedInStringsToo(Rule rule, String parameter, double value) {
        String key = parameter.replaceAll("([A-Z])", "_$1").toLowerCase(Locale.ROOT);
        String name = rule.toString().substring(0, rule.toString().indexOf('('));
        boolean wraps =
                rule instanceof Standardize || rule instanceof Clip || rule instanceof Lookahead || rule instanceof Ema;
        String inner = wraps ? "adam(), " : "";
        String needed = (rule instanceof Sgd
                                || rule instanceof Pnm
                                || rule instanceof Lars
                                || rule instanceof Sgdp
                                || rule instanceof Nsgd)
                        && !key.equals("lr")
                ? "lr=1, "
                : "";
        if (!Double.isFinite(value)) {
            return; // has no decimal form
        }
        String specification = name + "(" + inner + needed + key + "=" + value + ")";
        boolean valid;
        try {
            assertThat(Rule.parse(specification).toString()).startsWith(name);
            valid = true;
        } catch (SpecificationException e) {
            assertThat(e).hasMessageContaining(parameter + " must be ");
            valid = false;
        }
        boolean aboveZero = key.equals("norm") || rule instanceof Nsgd && key.equals("eps");
        boolean positive = aboveZero ? value > 0 : value >= 0 || key.equals("beta0");
        boolean small = value < 1 || !Set.of("beta1", "beta2", "input_beta").contains(key);
        small &= value < 1 || !(rule instanceof Sgdp && key.equals("momentum"));
        boolean fraction = value <= 1
                || !Set.of("dampening", "lookahead_alpha", "alpha", "tau", "r").contains(key);
        assertThat(valid).as(specification).isEqualTo(positive && small && fraction);
    }

    @Test
    void everyDoubleSurvivesItsString() {
        SplittableRandom random = new SplittableRandom(1);
        for (int i = 0; i < 20_000; i++) {
            double lr = Math.abs(Double.longBitsToDouble(random.nextLong()));
            if (lr <= Double.MAX_VALUE) {
                Rule rule = Sgd.of(lr);
                assertThat(Rule.parse(rule.toString())).isEqualTo(rule);
            }
        }
        assertThat(Rule.parse(Sgd.of(Double.MIN_VALUE).toString()).lr()).isEqualTo(Double.MIN_VALUE);
    }

    @Test
    void garbageIsRefusedAndNothingElse() {
        SplittableRandom random = new SplittableRandom(2);
        String alphabet = "adamsgdclip(),=0.19e-_ lr";
        for (int i = 0; i < Amount.of(50_000); i++) {
            StringBuilder text = new StringBuilder();
            for (int n = random.nextInt(30); n > 0; n--) {
                text.append(alphabet.charAt(random.nextInt(alphabet.length())));
            }
            try {
                Rule.parse(text.toString());
            } catch (SpecificationException e) {
                assertThat(e.position()).isBetween(0, text.length());
            }
        }
    }
}
