using System.Text;
using ChannelSdk.GuestAgent.Logging;
using ChannelSdk.GuestAgent.Sysprep;
using ChannelSdk.Linux.Descriptors;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Text;

namespace ChannelSdk.GuestAgent.CommandLine;

/// <summary><c>channel-agent sysprep</c>: removes from a template what an image should not have.</summary>
internal static class SysprepCommand
{
    /// <summary>The word for it.</summary>
    public const string Name = "sysprep";

    private static readonly string[] s_flags = ["--root", "--dry-run", "--keep", "--also", "--json", "--help"];

    /// <summary>Runs it.</summary>
    /// <param name="arguments">All of the command line; its first one is <see cref="Name"/>.</param>
    /// <returns>The exit code.</returns>
    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>: the command line is wrong; or what stands in the way of all of it.</exception>
    public static int Execute(ReadOnlySpan<string> arguments)
    {
        string? root = null;
        var (isDry, isJson) = (false, false);
        var items = new List<SysprepItem>();
        foreach (var item in SysprepItems.All)
        {
            if (item.IsDefault)
            {
                items.Add(item);
            }
        }

        for (var next = 1; next < arguments.Length; next++)
        {
            var argument = arguments[next];
            var equals = argument.IndexOf('=', StringComparison.Ordinal);
            var flag = equals < 0 ? argument : argument[..equals];
            if (flag is "-h" or "--help")
            {
                StandardStream.WriteLine(StandardStream.Output, Help());
                return ExitCode.Success;
            }

            if (flag is "--dry-run" or "--json")
            {
                if (equals >= 0)
                {
                    throw Wrong($"{flag} takes no value");
                }

                isDry |= flag == "--dry-run";
                isJson |= flag == "--json";
                continue;
            }

            if (Array.IndexOf(s_flags, flag) < 0)
            {
                throw Wrong($"'{LogText.Escape(flag, 80)}' is not a flag of {Name}; {Hint(flag, s_flags)}");
            }

            var value = equals >= 0 ? argument[(equals + 1)..] : ++next < arguments.Length ? arguments[next] : "";
            if (value.Length == 0)
            {
                throw Wrong($"{flag} needs a value");
            }

            if (flag == "--root")
            {
                root = root is null ? value : throw Wrong("--root is given twice");
            }
            else if (flag == "--keep")
            {
                items.Remove(Item(value));
            }
            else if (!items.Contains(Item(value)))
            {
                items.Add(Item(value));
            }
        }

        // Not without being told where: on a system that stays, what it removes is missed.
        return Report(SysprepRun.Execute(root ?? throw Wrong("--root DIR is needed, the root folder of the template; / is this system's"), items, isDry), isJson);
    }

    private static int Report(SysprepReport report, bool isJson)
    {
        StandardStream.WriteLine(StandardStream.Output, isJson ? report.Json() : report.Text());
        foreach (var item in report.Items)
        {
            foreach (var failure in item.Failures)
            {
                StandardStream.WriteLine(StandardStream.Error, $"channel-agent: {item.Name}: {failure}");
            }

            if (item.FailureCount > item.Failures.Count)
            {
                StandardStream.WriteLine(StandardStream.Error, $"channel-agent: {item.Name}: and {item.FailureCount - item.Failures.Count} more");
            }
        }

        return report.HasFailed ? ExitCode.Failed : ExitCode.Success;
    }

    private static SysprepItem Item(string name) => SysprepItems.Find(name) ?? throw Wrong($"'{LogText.Escape(name, 80)}' is no item; {Hint(name, Names())}");

    private static string[] Names()
    {
        var names = new string[SysprepItems.All.Length];
        for (var i = 0; i < names.Length; i++)
        {
            names[i] = SysprepItems.All[i].Name;
        }

        return names;
    }

    private static string Help()
    {
        var text = new StringBuilder("""
            channel-agent sysprep --root DIR [flags]   remove from a template what an image should not have
              --root DIR      its root folder; / is the system that runs
              --dry-run       tell what would be removed, and remove nothing
              --keep ITEM     leave this item; may be given several times
              --also ITEM     remove this item, which is left otherwise; may be given several times
              --json          print JSON

            Exit codes: 0 all is removed, 1 something is left, 2 wrong command line.

            Items, with a star those that are left unless they are asked for:

            """);
        foreach (var item in SysprepItems.All)
        {
            text.Append(item.IsDefault ? "    " : "  * ").Append(item.Name.PadRight(18)).Append(item.What).Append('\n');
        }

        return text.ToString().TrimEnd('\n');
    }

    private static string Hint(string word, string[] known) =>
        NearestName.Of(word, known) is { } near ? $"did you mean '{near}'?" : $"allowed are {string.Join(", ", known)}";

    private static ChannelException Wrong(string text) => new(ChannelError.BadConfiguration, ErrorClass.Refused, text);
}
