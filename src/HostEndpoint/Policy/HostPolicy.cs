using ChannelSdk.Linux.Files;
using ChannelSdk.Linux.Native;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Text;
using ChannelSdk.Protocol.Toml;
using ChannelSdk.Services;

namespace ChannelSdk.Host.Policy;

/// <summary>
/// The methods that this host may call at a guest, and the guest at the host. The image has its own policy
/// (/etc/channel-agent/agent.toml); a call happens only if both allow it.
/// </summary>
public sealed record HostPolicy
{
    private const string Advice = "write \"service.Method\", \"service.*\" or \"*\"";
    private static readonly TomlSettings<HostPolicy> s_file = new(
    [
        new("services", [Allow(static (policy, methods) => policy with { HostMay = methods })]),
        new("guest", [Allow(static (policy, methods) => policy with { GuestMay = methods })]),
    ]);

    /// <summary>Everything that the image allows; and the guest may ask for everything that is served to it.</summary>
    public static HostPolicy Open { get; } = new();

    /// <summary>Methods that this host may call: <c>freeze.Freeze</c>, <c>freeze.*</c> or <c>*</c>.</summary>
    public IReadOnlyList<string> HostMay { get; init; } = [MethodPattern.Any];

    /// <summary>Methods that the guest may call, in the same form.</summary>
    public IReadOnlyList<string> GuestMay { get; init; } = [MethodPattern.Any];

    /// <summary>
    /// Reads a TOML file of at most 64 KiB: <c>allow</c> in the table <c>[services]</c> is <see cref="HostMay"/>, as the image's
    /// policy calls it, <c>allow</c> in <c>[guest]</c> is <see cref="GuestMay"/>. What is missing allows all.
    /// </summary>
    /// <param name="path">The file.</param>
    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>: it cannot be read, or is no such file; the message has a line for each mistake.</exception>
    public static HostPolicy Load(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        var errno = SmallFile.TryRead(path, TomlReader.MaxBytes + 1, out var bytes);
        return errno == 0 ? Parse(bytes, path)
            : throw new ChannelException(ChannelError.BadConfiguration, ErrorClass.Refused, $"the host's policy {path} cannot be read: {Errno.Describe(errno)}; give the path of a file that this user may read");
    }

    /// <summary>The policy of a file's bytes.</summary>
    internal static HostPolicy Parse(ReadOnlySpan<byte> utf8, string path) => s_file.Read(utf8, $"the host's policy {path}", Open);

    /// <summary>Checks both lists.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>: one is null, or has what is no method.</exception>
    internal void Validate()
    {
        foreach (var (name, patterns) in ((string, IReadOnlyList<string>?)[])[(nameof(HostMay), HostMay), (nameof(GuestMay), GuestMay)])
        {
            if (patterns is null || !patterns.All(MethodPattern.IsPattern))
            {
                throw new ChannelException(ChannelError.BadConfiguration, ErrorClass.Refused, $"{name} of the host's policy has what is no method; {Advice}");
            }
        }
    }

    private static TomlKey<HostPolicy> Allow(Func<HostPolicy, string[], HostPolicy> apply) => TomlKey.List("allow", "a list of methods such as [\"info.*\", \"freeze.Thaw\"]",
        static item => MethodPattern.IsPattern(item) ? null : $"'{SafeText.Escape(item, 80)}' is no method; {Advice}", apply);
}
