using System.CommandLine;
using ChannelSdk.Cli.Shared;
using ChannelSdk.Install.Data;
using ChannelSdk.Install.Definitions;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Cli.Commands;

/// <summary>Where channelctl install export puts the data of the disks, and install import takes it from.</summary>
internal sealed class DataOptions
{
    private const string Standard = "-";
    private readonly string _name;
    private readonly bool _isExport;
    private readonly Option<string[]> _places;
    private readonly Option<DataCompression> _compression;

    private DataOptions(bool isExport)
    {
        (_isExport, _name) = (isExport, isExport ? "--to" : "--from");
        _places = new Option<string[]>(_name)
        {
            Description = isExport
                ? "FILE, http(s)://URL (sent by PUT) or - for standard output: where the data of a disk goes; once for each --disk, in their order. Without it the scripts bring it away themselves"
                : "FILE, http(s)://URL or - for standard input: where the data of a disk comes from; once for each --disk, in their order. Without it the scripts fetch it themselves",
        };
        _compression = ToolOptions.Choice<DataCompression>("--compress", isExport ? "How the data is packed there; without it not at all" : "How the data is packed there; without it it is taken as it is",
            ("gzip", DataCompression.Gzip), ("none", DataCompression.None));
    }

    /// <summary>The user for the servers of the data.</summary>
    public Option<string> User { get; } = new("--data-user") { Description = "User for the server of the URLs that the data of disks goes to or comes from" };

    /// <summary>Where the user's password is.</summary>
    public Option<string> Password { get; } = new("--data-password") { Description = $"Where its password is: {SecretSource.Help}" };

    /// <summary>The options of an action; null: it moves no data.</summary>
    public static DataOptions? Of(InstallAction action) => action is InstallAction.Export or InstallAction.Import ? new DataOptions(action == InstallAction.Export) : null;

    /// <summary>Adds them to a command.</summary>
    public void AddTo(Command command)
    {
        command.Add(_places);
        command.Add(_compression);
        command.Add(User);
        command.Add(Password);
    }

    /// <summary>Whether the data goes to standard output, so that people are told on standard error.</summary>
    public bool TakesOutput(ParseResult parsed) => _isExport && Places(parsed).Contains(Standard);

    /// <summary>The places.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>: what is wrong with one.</exception>
    public IReadOnlyList<DiskData> Read(ParseResult parsed)
    {
        var places = Places(parsed);
        if (places.Count(static place => place == Standard) > 1)
        {
            throw Wrong($"{_name} can be - once only");
        }

        return [.. places.Select(place => Place(place, parsed))];
    }

    private DiskData Place(string place, ParseResult parsed)
    {
        var compression = parsed.GetValue(_compression);
        if (place == Standard)
        {
            var streams = ToolStreams.Of(parsed);
            return DiskData.OnStream(_isExport ? streams.StandardOutput : streams.StandardInput, compression);
        }

        if (place.Contains("://", StringComparison.Ordinal))
        {
            return DiskData.AtUrl(place, compression);
        }

        return ToolOptions.WhyNoPath(place) is { } why ? throw Wrong($"{_name} takes a file, a URL or -; a path {why}") : DiskData.InFile(place, compression);
    }

    private string[] Places(ParseResult parsed) => parsed.GetValue(_places) ?? [];

    private static ChannelException Wrong(string text) => new(ChannelError.BadConfiguration, ErrorClass.Refused, text);
}
