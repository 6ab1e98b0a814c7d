namespace ChannelSdk.GuestAgent.Sysprep;

/// <summary>What was removed of one item, or would be. Of its lists the beginnings are kept, however many there are.</summary>
/// <param name="item">The item.</param>
internal sealed class SysprepCount(SysprepItem item)
{
    /// <summary>Entries of each list that are kept.</summary>
    public const int MaxListed = 20;

    private readonly List<string> _places = [];
    private readonly List<string> _links = [];
    private readonly List<string> _failures = [];

    /// <summary>Its name.</summary>
    public string Name => item.Name;

    /// <summary>Files, folders and links.</summary>
    public long Entries { get; private set; }

    /// <summary>Bytes that they take on the disk.</summary>
    public long Bytes { get; private set; }

    /// <summary>The first links where a file or folder was expected, escaped. They were not followed: what they lead to was left.</summary>
    public IReadOnlyList<string> Links => _links;

    /// <summary>Where the first of the entries are, escaped.</summary>
    public IReadOnlyList<string> Places => _places;

    /// <summary>How many entries could not be removed.</summary>
    public long FailureCount { get; private set; }

    /// <summary>The first failures, escaped.</summary>
    public IReadOnlyList<string> Failures => _failures;

    public void Add(long bytes, string folder, ReadOnlySpan<byte> name)
    {
        Entries++;
        Bytes += bytes;
        List(_places, folder, name);
    }

    public void AddLink(string folder, ReadOnlySpan<byte> name) => List(_links, folder, name);

    public void Fail(string failure)
    {
        FailureCount++;
        if (_failures.Count < MaxListed)
        {
            _failures.Add(failure);
        }
    }
    private static void List(List<string> list, string folder, ReadOnlySpan<byte> name)
    {
        if (list.Count < MaxListed)
        {
            list.Add(SysprepWalk.Show(folder, name));
        }
    }
}
