using System.Text;
using ChannelSdk.Linux.Files;
using ChannelSdk.Linux.Native;

namespace ChannelSdk.GuestAgent.Repair.Steps;

/// <summary>The host name: the kernel's, /etc/hostname (hostname(5)), and where /etc/hosts has the former one.</summary>
internal sealed class HostNameStep() : RepairStep("host-name")
{
    private const UnixFileMode Common = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead;
    private const int MaxHosts = 1 << 20;

    public override StepEnd Do(RepairRun run)
    {
        var name = run.Identity.HostName;
        if (name.Length == 0)
        {
            return StepEnd.Skipped("the host gave no name");
        }
        // The table first: the former name is known until the file has the next one.
        var former = SmallFile.Read(run.At("/etc/hostname")).Trim();
        if (former.Length > 0 && former != name && SmallFile.TryRead(run.At("/etc/hosts"), MaxHosts + 1, out var hosts) == 0 && hosts.Length <= MaxHosts)
        {
            var text = Encoding.UTF8.GetString(hosts);
            var renamed = Renamed(text, former, name);
            if (renamed != text)
            {
                ReplacedFile.Write(run.At("/etc/hosts"), Encoding.UTF8.GetBytes(renamed), Common);
            }
        }

        ReplacedFile.Write(run.At("/etc/hostname"), Encoding.UTF8.GetBytes(name + "\n"), Common);
        var error = run.Platform.SetHostName(name);
        return error == 0 ? StepEnd.Done() : StepEnd.Failed($"the kernel refuses the name: {Errno.Describe(error)}");
    }

    /// <summary>A table of hosts(5) with another name in the place of one, and its first label in the place of that one's.</summary>
    internal static string Renamed(string hosts, string former, string name)
    {
        var result = new StringBuilder(hosts.Length + 64);
        var rest = hosts.AsSpan();
        var isComment = false;
        var isFirst = true;
        while (!rest.IsEmpty)
        {
            var isSpace = char.IsWhiteSpace(rest[0]);
            var length = 1;
            while (length < rest.Length && !isSpace && !char.IsWhiteSpace(rest[length]))
            {
                length++;
            }

            var word = rest[..length];
            rest = rest[length..];
            if (word is "\n")
            {
                (isComment, isFirst) = (false, true);
            }

            isComment |= word[0] == '#';
            // The first word of a line is the address.
            var isName = !isSpace && !isComment && !isFirst;
            isFirst &= isSpace;
            result.Append(isName && word.SequenceEqual(former) ? name : isName && word.SequenceEqual(FirstLabel(former)) ? FirstLabel(name) : word);
        }

        return result.ToString();
    }

    private static ReadOnlySpan<char> FirstLabel(string name) => name.AsSpan(0, name.IndexOf('.', StringComparison.Ordinal) is >= 0 and var dot ? dot : name.Length);
}
