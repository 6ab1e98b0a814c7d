using System.CommandLine;
using ChannelSdk.Cli;
using ChannelSdk.Cli.Shared;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Text;

namespace ChannelSdk.HostEndpoint.Tests;

/// <summary>Every option and argument of every command with wrong, empty, huge, negative and not-a-number values. New ones are in it by themselves.</summary>
[Trait(Lane.Name, Lane.Integration)]
public class ToolOptionTests
{
    private static readonly TimeSpan s_stop = TimeSpan.FromSeconds(2);
    private static readonly string s_long = new('x', 5000);
    private static readonly string[] s_noNumbers = ["", "abc", "nan", "NaN", "inf", "-inf", "-1", "1e30", "1e308", "0x10", "99999999999999999999", "1,5", " ", "\u001b[2J"];
    private static readonly string[] s_noChoices = ["", "7", "0", "RUN", "pigeon", "-1", "nan", "\u001b[2J"];
    private static readonly string[] s_paths = ["", s_long, "/dev/null/x", "/dev/full", "/proc/none/x"];
    private static readonly string[] s_texts = ["", " ", "=", "/dev/null/x", "../../x", "x\u001b[2J\n\u202ey", s_long];

    public static TheoryData<string> CommandPaths => [.. Leaves(Root(), "").Select(leaf => leaf.Path)];

    [Theory]
    [MemberData(nameof(CommandPaths))]
    public async Task No_value_of_an_option_or_argument_makes_more_than_one_line_and_a_documented_code(string path)
    {
        await using var guest = new GuestDouble { PowerRefusal = new ChannelException(ChannelError.PermissionDenied, ErrorClass.Refused, "power is denied") };
        var folder = Directory.CreateTempSubdirectory("channelsdk-test-").FullName;
        var command = Leaves(Root(), "").Single(leaf => leaf.Path == path).Command;
        List<(string What, string[] Arguments, bool IsUsage)> cases = [.. command.Options.Where(o => o is not System.CommandLine.Help.HelpOption).SelectMany(option =>
            Values(option).Select(v => ($"{path} {option.Name} '{Short(v.Value)}'", Line(path, command, guest.Uri, folder, option, null, v.Value), v.IsUsage)))];
        cases.AddRange(command.Arguments.SelectMany(argument =>
            s_texts.Select(value => ($"{path} {argument.Name} '{Short(value)}'", Line(path, command, guest.Uri, folder, null, argument, value), false))));
        var complaints = new List<string?>();
        foreach (var (what, arguments, isUsage) in cases)
        {
            var run = await ToolRun.RunAsync(s_stop, arguments);
            complaints.Add(path == "half" ? null : ToolRun.Complaint(run, what) ?? (isUsage && run.Code != 2 && !IsOfTheProgram(path, what) ? $"{what}: code {run.Code} {run.Error}" : null));
        }

        Directory.Delete(folder, recursive: true);
        Assert.Equal([], complaints.OfType<string>());
    }

    [Theory]
    [MemberData(nameof(CommandPaths))]
    public async Task Help_names_every_option_and_exactly_the_accepted_values(string path)
    {
        var command = Leaves(Root(), "").Single(leaf => leaf.Path == path).Command;
        var help = await ToolRun.RunAsync(s_stop, [.. path.Split(' '), "--help"]);
        Assert.Equal((0, ""), (help.Code, help.Error));
        foreach (var option in command.Options)
        {
            Assert.Contains(option.Name, help.Out);
            Assert.False(string.IsNullOrEmpty(option.Description), option.Name);
            var type = Nullable.GetUnderlyingType(option.ValueType) ?? option.ValueType;
            if (type.IsEnum)
            {
                Assert.Equal(Enum.GetNames(type).Length, option.HelpName!.Split('|').Length);
            }

            foreach (var word in option.HelpName?.Contains('|', StringComparison.Ordinal) == true ? option.HelpName.Split('|') : [])
            {
                Assert.Empty(Root().Parse(Line(path, command, "unix:///x", "/tmp", option, null, word)).Errors);
            }
        }
    }

    private static RootCommand Root() => CommandTree.Create(new ToolSignals(takesSignals: false));

    private static IEnumerable<(string Path, Command Command)> Leaves(Command command, string path) => command.Subcommands.Count == 0
        ? [(path, command)]
        : command.Subcommands.SelectMany(c => Leaves(c, $"{path} {c.Name}".Trim()));

    private static IEnumerable<(string Value, bool IsUsage)> Values(Option option) => option.HelpName switch
    {
        "SECONDS" or "NUMBER" => s_noNumbers.Select(v => (v, true)),
        "PATH" => s_paths.Select(v => (v, v.Length is 0 or 5000)),
        { } words when words.Contains('|', StringComparison.Ordinal) => s_noChoices.Select(v => (v, true)),
        _ when option.ValueType == typeof(bool) => [("maybe", true)],
        _ when option.ValueType == typeof(string) || option.ValueType == typeof(string[]) => s_texts.Select(v => (v, false)),
        _ => throw new InvalidOperationException($"{option.Name} is of a type that this test has no values for: make it by ToolOptions"),
    };

    /// <summary>A command line that would do no harm, but for one value.</summary>
    private static string[] Line(string path, Command command, string uri, string folder, Option? option, Argument? argument, string value)
    {
        List<string> line = [.. path.Split(' ')];
        string Usual(string name) => name switch
        {
            "URI" => path == "qga" ? "qga:///nonexistent/x.qga" : uri,
            "INSTANCE" => path.StartsWith("tap", StringComparison.Ordinal) ? "no/name" : "vm1",
            "SOURCE" => "/dev/null/x",
            "DESTINATION" => "guest:/x",
            "FILE" => "/dev/null/x",
            "COMMAND" => path == "exec" ? "true" : "guest-ping",
            "OPERATION" => "none",
            "WORD" => "progress",
            "JSON" => "{}",
            "NEW-NAME" or "NEW-INSTANCE" => "vm2",
            "NAME" => "s1",
            _ => throw new InvalidOperationException($"this test has no harmless value for {name}"),
        };
        (string Name, string Value)[] safe = [("--state", folder), ("--store", folder), ("--script", "/dev/null/x"), ("--new-name", "n"), ("--patience", "0.1")];
        foreach (var (name, usual) in safe.Where(s => s.Name != option?.Name && command.Options.Any(o => o.Name == s.Name)))
        {
            line.AddRange([name, usual]);
        }

        if (option is not null)
        {
            line.Add($"{option.Name}={value}");
        }

        line.Add("--");
        line.AddRange(command.Arguments.Select(a => a == argument ? value : Usual(a.Name)));
        return [.. line];
    }

    /// <summary>What follows a switch of exec is a word of the program's.</summary>
    private static bool IsOfTheProgram(string path, string what) => path == "exec" && what.EndsWith("'maybe'", StringComparison.Ordinal);

    private static string Short(string value) => value.Length > 40 ? $"{value.Length} x" : SafeText.Escape(value);
}
