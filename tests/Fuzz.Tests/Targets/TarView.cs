using System.Formats.Tar;
using System.Text;
using ChannelSdk.GuestAgent.Overlay;
using AgentTarEntry = ChannelSdk.GuestAgent.Overlay.TarEntry;
using TarEntry = System.Formats.Tar.TarEntry;

namespace ChannelSdk.Fuzz.Tests.Targets;

/// <summary>What a reader says of an entry: all that is laid down of it. Names are compared without empty and "." parts.</summary>
/// <param name="Time">Of the last change, in 100 ns since 1970, which is as fine as the library tells it.</param>
internal sealed record TarView(TarKind Kind, string Name, string Link, string Content, int Mode, long Uid, long Gid, long Time)
{
    private const int NanosecondsPerTick = 100;

    internal static TarView Of(AgentTarEntry entry, ReadOnlySpan<byte> content) => new(
        entry.Kind, Encoding.UTF8.GetString(entry.Name), Encoding.UTF8.GetString(entry.LinkTarget), Convert.ToHexString(content),
        (int)entry.Mode, entry.Uid, entry.Gid, unchecked(entry.Seconds * TimeSpan.TicksPerSecond + entry.Nanoseconds / NanosecondsPerTick));

    internal static TarView Of(TarEntry entry)
    {
        var kind = entry.EntryType switch
        {
            TarEntryType.Directory => TarKind.Folder,
            TarEntryType.HardLink => TarKind.HardLink,
            TarEntryType.SymbolicLink => TarKind.SymbolicLink,
            _ => entry.Name.EndsWith('/') ? TarKind.Folder : TarKind.File,
        };
        using var content = new MemoryStream();
        entry.DataStream?.CopyTo(content);
        var link = kind switch { TarKind.HardLink => Normalize(entry.LinkName), TarKind.SymbolicLink => entry.LinkName, _ => "" };
        return new TarView(kind, Normalize(entry.Name), link, Convert.ToHexString(content.ToArray()), (int)entry.Mode & 0xFFF, entry.Uid, entry.Gid,
            TicksOf(entry.ModificationTime));
    }

    // The library tells an empty field by the least of its times; for others it is 0, as all empty fields are.
    private static long TicksOf(DateTimeOffset time) => time == default ? 0 : time.UtcTicks - DateTimeOffset.UnixEpoch.UtcTicks;

    private static string Normalize(string name) => string.Join('/', name.Split('/').Where(static part => part is not ("" or ".")));
}
