using System.Net;
using ChannelSdk.Install.Definitions;
using ChannelSdk.Install.Mirror;
using ChannelSdk.Install.Names;
using ChannelSdk.Linux.Processes;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Text;
using ChannelSdk.Protocol.Toml;

namespace ChannelSdk.Install.Limits;

/// <summary>
/// What the administrator of a host lets those who install on it ask for, in a file that they cannot change. What it does not name
/// is up to them.
/// </summary>
public sealed record HostLimits
{
    /// <summary>Where the file is that <c>channelctl install</c> obeys.</summary>
    public const string UsualPath = "/etc/channelsdk/host.toml";

    private const string DeadlineKey = "deadline";
    private const string ForbidKey = "forbid";
    private const string ApplianceKey = "appliance";
    private const string PackageNetworksKey = "package_networks";
    private const string MirrorsKey = "mirrors";
    private const string MirrorNetworksKey = "mirror_networks";
    private const string ConfineKey = "confine";
    private const string ConfineFilesKey = "confine_files";
    private const string AllDefinitions = "all";
    private const string ImagesKey = "images";
    private const string UsersKey = "appliance_users";
    private const string NoUsers = "none";
    private const string TrustedHalf = "trusted";
    private const string OtherImages = "other_images";
    private const int MaxDeadline = 604_800;
    private const int MaxText = 256;

    private static readonly TomlSettings<HostLimits> s_file = new(
    [
        new("install",
        [
            TomlKey.Number<HostLimits>(DeadlineKey, 1, MaxDeadline, static (limits, seconds) => limits with { Deadline = TimeSpan.FromSeconds(seconds) }),
            TomlKey.List<HostLimits>(ForbidKey, $"a list of what may not be used, of \"{TrustedHalf}\" and \"{OtherImages}\"",
                static word => word is TrustedHalf or OtherImages ? null : $"'{SafeText.Escape(word, MaxText)}' is nothing that can be forbidden; known are \"{TrustedHalf}\" and \"{OtherImages}\"",
                static (limits, words) => limits with { ForbidsTrusted = words.Contains(TrustedHalf), ForbidsOtherImages = words.Contains(OtherImages) }),
            TomlKey.List<HostLimits>(ConfineKey, $"a list of OS definitions, or [\"{AllDefinitions}\"]",
                static name => DefinitionName.IsAllowed(name) ? null : $"'{SafeText.Escape(name, MaxText)}' is no name of an OS definition; write the names of their folders, or [\"{AllDefinitions}\"]",
                static (limits, names) => limits with { ConfinedDefinitions = names.ToHashSet(StringComparer.Ordinal) }),
            TomlKey.List<HostLimits>(ConfineFilesKey, "a list of absolute paths",
                static path => Path.IsPathRooted(path) ? null : $"'{SafeText.Escape(path, MaxText)}' is no absolute path",
                static (limits, paths) => limits with { ConfinedFiles = paths }),
            TomlKey.Text<HostLimits>(ApplianceKey, "the absolute path of a folder", static (limits, path) => Path.IsPathRooted(path) ? limits with { Appliance = Path.GetFullPath(path) } : null),
            TomlKey.Text<HostLimits>(ImagesKey, "the absolute path of a file", static (limits, path) => Path.IsPathRooted(path) ? limits with { Images = Path.GetFullPath(path) } : null),
            TomlKey.Text<HostLimits>(UsersKey, $"a range of users such as \"{UserRange.Appliances}\", or \"{NoUsers}\"",
                static (limits, text) => text == NoUsers ? limits with { ApplianceUsers = null } : UserRange.TryParse(text, out var users) ? limits with { ApplianceUsers = users } : null),
            Networks(PackageNetworksKey, static (limits, networks) => limits with { PackageNetworks = networks }),
            Networks(MirrorNetworksKey, static (limits, networks) => limits with { MirrorNetworks = networks }),
            TomlKey.List<HostLimits>(MirrorsKey, "a list of URLs such as [\"http://deb.debian.org/debian/\"]", WhyNoMirror,
                static (limits, urls) => limits with { Mirrors = [.. urls.Select(static url => new Uri(url))] }),
        ]),
    ]);

    /// <summary>The file, for errors.</summary>
    private string Source { get; init; } = "";

    /// <summary>Where a key stands in it.</summary>
    private Dictionary<string, int> Lines { get; init; } = [];

    /// <summary>The longest that an operation may take, 1 s to 7 days; null: as long as is asked for.</summary>
    public TimeSpan? Deadline { get; init; }

    /// <summary>Whether no script of a definition may run on the host.</summary>
    public bool ForbidsTrusted { get; init; }

    /// <summary>The definitions that run in the appliance as a whole; <c>all</c> among them: all of them.</summary>
    public IReadOnlySet<string> ConfinedDefinitions { get; init; } = new HashSet<string>(StringComparer.Ordinal);

    /// <summary>Absolute paths of files and folders that the scripts of these find at the same place in the appliance.</summary>
    public IReadOnlyList<string> ConfinedFiles { get; init; } = [];
    /// <summary>Whether only images of the catalogue may be installed.</summary>
    public bool ForbidsOtherImages { get; init; }

    /// <summary>The file of the images' catalogue, the only one that may be used; null: any.</summary>
    public string? Images { get; init; }

    /// <summary>Folder of the appliance, the only one that may be used; null: any.</summary>
    public string? Appliance { get; init; }

    /// <summary>The users of which the hypervisor's process of each appliance gets one of its own; null: none.</summary>
    public UserRange? ApplianceUsers { get; init; } = UserRange.Appliances;

    /// <summary>The inner networks that personalization packages may be fetched from; null: those that are asked for.</summary>
    public IReadOnlyList<IPNetwork>? PackageNetworks { get; init; }

    /// <summary>The places that appliances may fetch from by the host's proxy; null: those that are asked for.</summary>
    public IReadOnlyList<Uri>? Mirrors { get; init; }

    /// <summary>The inner networks that mirrors may be in; null: those that are asked for.</summary>
    public IReadOnlyList<IPNetwork>? MirrorNetworks { get; init; }

    /// <summary>
    /// Reads a TOML file of at most 64 KiB with the table <c>[install]</c> and the keys <c>deadline</c> in seconds, <c>forbid</c>,
    /// <c>confine</c>, <c>confine_files</c>, <c>appliance</c>, <c>appliance_users</c>, <c>images</c>, <c>package_networks</c>, <c>mirrors</c> and <c>mirror_networks</c>. Without the file there are no limits.
    /// </summary>
    /// <param name="path">The file.</param>
    /// <exception cref="ChannelException">
    /// <see cref="ChannelError.BadConfiguration"/>: it cannot be read, others than root and this program's user can change it or a folder above, or
    /// it has mistakes, of which each has a line in the message.
    /// </exception>
    public static HostLimits Load(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        path = Path.GetFullPath(path);
        var place = Path.GetDirectoryName(path) ?? "/";
        if (!Directory.Exists(place))
        {
            return new HostLimits();
        }

        using var folder = SourceFolder.Open(place);
        using var file = folder.File(Path.GetFileName(path));
        if (file is null)
        {
            return new HostLimits();
        }

        folder.RequireTrusted("a file in it says what may be installed on this host");
        TrustedOwner.Require(file.Handle, path, "it says what may be installed on this host");
        return Parse(file.Read(TomlReader.MaxBytes), path);
    }

    /// <summary>The deadline of an operation.</summary>
    /// <param name="asked">What is asked for; null: nothing.</param>
    /// <param name="usual">The deadline where nothing is asked for, or less where less is allowed.</param>
    /// <exception cref="ChannelException"><see cref="ChannelError.PermissionDenied"/>: more is asked for than is allowed.</exception>
    public TimeSpan DeadlineOf(TimeSpan? asked, TimeSpan usual) =>
        Deadline is not { } most ? asked ?? usual
        : asked > most ? throw Forbidden(DeadlineKey, $"a deadline of at most {most.TotalSeconds:0.#} s is allowed on this host, not {asked.Value.TotalSeconds:0.#} s (--deadline)")
        : asked ?? (usual < most ? usual : most);

    /// <summary>The folder of the appliance; null: none.</summary>
    /// <param name="asked">What is asked for; null: nothing.</param>
    /// <exception cref="ChannelException"><see cref="ChannelError.PermissionDenied"/>: another one is asked for than is allowed.</exception>
    public string? ApplianceOf(string? asked) =>
        Appliance is null || asked is null || Path.TrimEndingDirectorySeparator(Path.GetFullPath(asked)) == Path.TrimEndingDirectorySeparator(Appliance) ? Appliance ?? asked
        : throw Forbidden(ApplianceKey, $"no other appliance than {SafeText.Escape(Appliance, MaxText)} is allowed on this host (--appliance)");

    /// <summary>The file of the images' catalogue.</summary>
    /// <param name="asked">What is asked for; null: nothing.</param>
    /// <param name="usual">The file where nothing is asked for and none is named here.</param>
    /// <exception cref="ChannelException"><see cref="ChannelError.PermissionDenied"/>: another one is asked for than is allowed.</exception>
    public string ImagesOf(string? asked, string usual) =>
        Images is null || asked is null || Path.GetFullPath(asked) == Images ? Images ?? asked ?? usual
        : throw Forbidden(ImagesKey, $"no other catalogue of images than {SafeText.Escape(Images, MaxText)} is allowed on this host (--images)");

    /// <summary>The inner networks that packages may come from.</summary>
    /// <param name="asked">What is asked for.</param>
    /// <exception cref="ChannelException"><see cref="ChannelError.PermissionDenied"/>: one that is asked for is in none that is allowed.</exception>
    public IReadOnlyList<IPNetwork> PackageNetworksOf(IReadOnlyList<IPNetwork> asked) =>
        NetworksOf(PackageNetworks, asked, PackageNetworksKey, "packages may not come from", "--package-network");

    /// <summary>The inner networks that mirrors may be in.</summary>
    /// <param name="asked">What is asked for.</param>
    /// <exception cref="ChannelException"><see cref="ChannelError.PermissionDenied"/>: one that is asked for is in none that is allowed.</exception>
    public IReadOnlyList<IPNetwork> MirrorNetworksOf(IReadOnlyList<IPNetwork> asked) =>
        NetworksOf(MirrorNetworks, asked, MirrorNetworksKey, "mirrors may not be in", "--mirror-network");

    /// <summary>The places that appliances may fetch from; those of the file where none is asked for.</summary>
    /// <param name="asked">What is asked for.</param>
    /// <exception cref="ChannelException">
    /// <see cref="ChannelError.PermissionDenied"/>: one that is asked for lies in none that is allowed. <see cref="ChannelError.BadConfiguration"/>: it is no mirror.
    /// </exception>
    public IReadOnlyList<Uri> MirrorsOf(IReadOnlyList<Uri> asked)
    {
        ArgumentNullException.ThrowIfNull(asked);
        foreach (var url in Mirrors is null ? [] : asked)
        {
            var mirror = MirrorOrigin.Parse(url);
            if (!Mirrors!.Any(allowed => MirrorOrigin.Parse(allowed).Covers(mirror)))
            {
                throw Forbidden(MirrorsKey, $"appliances may not fetch from {SafeText.Escape(url.AbsoluteUri, MaxText)} on this host (--mirror)");
            }
        }

        return asked.Count > 0 ? asked : Mirrors ?? [];
    }

    /// <summary>Which definitions may run scripts on the host, and which run in the appliance as a whole.</summary>
    /// <param name="forbidTrusted">Whether it is asked for that none may.</param>
    /// <param name="confine">Whether it is asked for that all run in the appliance.</param>
    /// <param name="confineFiles">What it is asked for that these find there besides.</param>
    public DefinitionPolicy PolicyOf(bool forbidTrusted, bool confine, IReadOnlyList<string> confineFiles) => new()
    {
        ForbidTrusted = ForbidsTrusted || forbidTrusted,
        Source = ForbidsTrusted ? Line(ForbidKey) : "--forbid-trusted",
        ConfineAll = confine || ConfinedDefinitions.Contains(AllDefinitions),
        ConfineOf = ConfinedDefinitions,
        ConfineFiles = [.. ConfinedFiles, .. confineFiles],
        ConfineSource = confine ? "--confine" : Line(ConfineKey),
    };

    /// <summary>The limits of a file's bytes.</summary>
    internal static HostLimits Parse(ReadOnlySpan<byte> utf8, string path)
    {
        var limits = s_file.Read(utf8, path, new HostLimits());
        return limits with { Source = path, Lines = TomlReader.Read(utf8).Where(static entry => entry.Key.Length > 0).ToDictionary(static entry => entry.Key, static entry => entry.Line) };
    }

    private static TomlKey<HostLimits> Networks(string key, Func<HostLimits, IReadOnlyList<IPNetwork>, HostLimits> set) =>
        TomlKey.List<HostLimits>(key, "a list of networks such as [\"10.1.0.0/16\"]",
            static network => IPNetwork.TryParse(network, out _) ? null : $"'{SafeText.Escape(network, MaxText)}' is no network; write an address, a slash and the bits of the network, for instance \"10.1.0.0/16\"",
            (limits, networks) => set(limits, [.. networks.Select(IPNetwork.Parse)]));

    private static string? WhyNoMirror(string text)
    {
        try
        {
            _ = MirrorOrigin.Parse(new Uri(text));
            return null;
        }
        catch (UriFormatException)
        {
            return $"'{SafeText.Escape(text, MaxText)}' is no URL";
        }
        catch (ChannelException e)
        {
            return e.Message;
        }
    }

    private IReadOnlyList<IPNetwork> NetworksOf(IReadOnlyList<IPNetwork>? allowed, IReadOnlyList<IPNetwork> asked, string key, string what, string option)
    {
        ArgumentNullException.ThrowIfNull(asked);
        foreach (var network in allowed is null ? [] : asked)
        {
            if (!allowed!.Any(outer => outer.PrefixLength <= network.PrefixLength && outer.Contains(network.BaseAddress)))
            {
                throw Forbidden(key, $"{what} {network} on this host ({option})");
            }
        }

        return allowed ?? asked;
    }

    private string Line(string key) => $"{Source}:{Lines.GetValueOrDefault(key)}";

    private ChannelException Forbidden(string key, string text) => new(ChannelError.PermissionDenied, ErrorClass.Refused, $"{Line(key)}: {text}");
}
