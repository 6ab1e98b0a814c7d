using System.CommandLine;
using ChannelSdk.Cli.Shared;
using ChannelSdk.Host;
using ChannelSdk.Hypervisors.Qemu;
using ChannelSdk.Install.Definitions;
using ChannelSdk.Install.Images;
using ChannelSdk.Install.Limits;
using ChannelSdk.Install.Operations;
using ChannelSdk.Install.Personalization;
using ChannelSdk.Install.Secrets;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Text;

namespace ChannelSdk.Cli.Commands;

/// <summary>channelctl install create, export, import, rename: one operation, with live bars, until its end.</summary>
internal static class InstallCommand
{
    private static readonly TimeSpan s_deadline = TimeSpan.FromMinutes(30);

    public static Command Create(ToolSignals signals, string limits) => new("install", "Runs the scripts of an OS definition for an instance, on this host and in an appliance, and shows their progress.")
    {
        Operation(signals, limits, InstallAction.Create, "Installs an operating system onto the instance's blank disks."),
        Operation(signals, limits, InstallAction.Export, "Takes what is on the instance's disks away."),
        Operation(signals, limits, InstallAction.Import, "Puts what an export has made onto the instance's disks."),
        Operation(signals, limits, InstallAction.Rename, "Tells the installed system the instance's new name, and gives its record that name."),
        OperationCommands.Watch(),
        OperationCommands.List(),
        OperationCommands.Log(),
    };

    /// <summary>A command that runs an operation.</summary>
    /// <param name="signals">Stops it.</param>
    /// <param name="limitsFile">The administrator's file.</param>
    /// <param name="action">The operation.</param>
    /// <param name="description">Of the command.</param>
    /// <param name="name">Of the command; null: the action's.</param>
    /// <param name="around">What a command does around a create, or in place of it; null: it is the create.</param>
    internal static Command Operation(ToolSignals signals, string limitsFile, InstallAction action, string description, string? name = null, Func<InstallInputs, CancellationToken, Task<int>>? around = null)
    {
        var instance = new Argument<string>("INSTANCE") { Description = "Name of the instance, which has a record (channelctl instance set)" };
        var state = StateOption.Create();
        var definitions = StateOption.Folder("--definitions", "Folder of the OS definitions", "/srv/channelsdk/os");
        var appliance = ToolOptions.Path("--appliance", "Folder of the appliance (channelctl appliance build)");
        var images = ToolOptions.Path("--images", $"File of the images that instances may name as image:NAME; {ImageCatalog.UsualPath} without it");
        var append = new Option<string>("--append") { Description = "What the appliance's kernel is told beside", DefaultValueFactory = _ => "" };
        var transport = ToolOptions.Choice<ApplianceTransport>("--transport", "How the appliance reaches this host; without it by virtio-serial",
            ("virtio-serial", ApplianceTransport.VirtioSerial), ("vsock", ApplianceTransport.Vsock), ("tap", ApplianceTransport.Tap), ("usernet", ApplianceTransport.UserNet));
        var forward = ToolOptions.Path("--forward-program", "Path of channel-forward, for usernet, and for an instance that installs itself, where it is looked for beside this program");
        var disks = new Option<string[]>("--disk") { Description = $"{DiskOption.Help}; may be given several times; without it those of the record" };
        var deadline = ToolOptions.Seconds("--deadline", $"Seconds that all of it may take; {s_deadline.TotalSeconds:0} without it, or what the administrator allows", 1, 604_800);
        var secrets = new Option<string[]>("--secret") { Description = $"NAME=SOURCE: the value of a secret OS parameter; SOURCE is {SecretSource.Help}; may be given several times" };
        var user = new Option<string>("--package-user") { Description = "User for the server of the personalization package" };
        var password = new Option<string>("--package-password") { Description = $"Where its password is: {SecretSource.Help}" };
        var networks = new Option<string[]>("--package-network") { Description = "A network with inner addresses that the personalization package, the image and the data of disks may come from or go to, for instance 10.1.0.0/16; may be given several times" };
        var mirrors = new Option<string[]>("--mirror") { Description = "A URL that the appliance may fetch from by this host's proxy, for instance http://deb.debian.org/debian/ or https://deb.debian.org/; may be given several times" };
        var mirrorNetworks = new Option<string[]>("--mirror-network") { Description = "A network with inner addresses that a mirror may be in, for instance 10.1.0.0/16; may be given several times" };
        var forbid = ToolOptions.Flag("--forbid-trusted", "No script of the definition may run on this host");
        var confine = ToolOptions.Flag("--confine", "All of the definition runs in the appliance, its scripts for this host too");
        var confineFiles = new Option<string[]>("--confine-file") { Description = "A file or folder of this host that a confined definition finds at the same place in the appliance, for instance /etc/ganeti/instance-debootstrap; may be given several times" };
        var reinstall = ToolOptions.Flag("--reinstall", "The instance had a system before, which is replaced; needed if its record is in mode run, and the scripts are told");
        var debug = ToolOptions.Number("--debug-level", "How much the scripts are to tell of their work", 0, 0, InstallRequest.MaxDebugLevel);
        var json = ToolOptions.Flag("--json", "Print the events as JSON, one a line");
        var newName = new Option<string>("--new-name") { Description = "The new name, which no instance has" };
        var command = new Command(name ?? action.ToString().ToLowerInvariant(), $"{description} Exits with 0, {ExitCode.TimedOut} if the deadline passed, {ExitCode.Failed} if it failed.")
        {
            instance, state, definitions, appliance, append, transport, forward, disks, deadline, secrets, user, password, networks, mirrors, mirrorNetworks, forbid, confine, confineFiles, debug, json,
        };
        var data = DataOptions.Of(action);
        data?.AddTo(command);
        if (action == InstallAction.Create && around is null)
        {
            command.Add(images);
            command.Add(reinstall);
        }

        if (action == InstallAction.Rename)
        {
            newName.Required = true;
            command.Add(newName);
        }

        TimeSpan Longest(ParseResult parsed, HostLimits limits) => limits.DeadlineOf(parsed.GetValue(deadline) is { } seconds ? TimeSpan.FromSeconds(seconds) : null, s_deadline);
        async Task<int> RunAsync(ParseResult parsed, bool isReinstall, CancellationToken cancel)
        {
            var limits = HostLimits.Load(limitsFile);
            var longest = Longest(parsed, limits);
            var place = limits.ApplianceOf(parsed.GetValue(appliance));
            var inner = limits.PackageNetworksOf(Networks(parsed.GetValue(networks), networks.Name));
            var origins = limits.MirrorsOf([.. (parsed.GetValue(mirrors) ?? []).Select(Mirror)]);
            var innerOrigins = limits.MirrorNetworksOf(Networks(parsed.GetValue(mirrorNetworks), mirrorNetworks.Name));
            var catalog = action == InstallAction.Create ? Catalog(limits, parsed.GetValue(images)) : null;
            // Standard output is for one of the two.
            var people = data?.TakesOutput(parsed) == true ? Console.Error : null;
            var installer = new Installer(new InstallerOptions
            {
                Folder = parsed.GetValue(state)!,
                Records = StateOption.Records(parsed.GetValue(state)!),
                Definitions = new DefinitionCatalog(parsed.GetValue(definitions)!, limits.PolicyOf(parsed.GetValue(forbid), parsed.GetValue(confine), parsed.GetValue(confineFiles) ?? [])),
                Images = catalog,
                OnlyCatalogImages = limits.ForbidsOtherImages,
                Launcher = place is null ? null
                    : new QemuLauncher(ApplianceFolder.Options(place) with { Append = parsed.GetValue(append)!, Transport = parsed.GetValue(transport), ForwardProgram = parsed.GetValue(forward), Users = limits.ApplianceUsers }),
                Deadline = longest,
                PackageNetworks = inner,
                Mirrors = origins,
                MirrorNetworks = innerOrigins,
                // Scripts on this host find this tool without a path.
                TrustedPath = $"{AppContext.BaseDirectory}:{InstallerOptions.DefaultPath}",
            });
            foreach (var left in installer.Interrupted)
            {
                Console.Error.WriteLine($"channelctl: the operation {left.Operation} on {left.Instance} was interrupted: {left.Reason}");
            }

            var operation = installer.Start(new InstallRequest
            {
                Instance = parsed.GetValue(instance)!,
                Action = action,
                IsReinstall = isReinstall,
                DebugLevel = (int)parsed.GetValue(debug),
                Disks = [.. (parsed.GetValue(disks) ?? []).Select(DiskOption.Parse)],
                Data = data?.Read(parsed) ?? [],
                Secrets = await SecretsAsync(parsed.GetValue(secrets) ?? [], cancel),
                PackageCredentials = await CredentialsAsync(parsed, user, password, cancel),
                DataCredentials = data is null ? null : await CredentialsAsync(parsed, data.User, data.Password, cancel),
                NewName = action == InstallAction.Rename ? parsed.GetValue(newName) : null,
            });
            await using var stopping = cancel.Register(operation.Cancel);
            // The operation's processes are ended before this one ends.
            signals.Grace = null;
            try
            {
                await InstallView.ShowAsync(operation.Events.ReadAsync(0, CancellationToken.None), parsed.GetValue(json), people);
            }
            catch
            {
                operation.Cancel();
                await operation.Completion;
                throw;
            }

            var result = await operation.Completion;
            if (!parsed.GetValue(json))
            {
                InstallView.Summarize(operation, result, people);
            }

            return ExitCode.Of(result.Outcome);
        }

        command.SetAction((parsed, cancel) => StateOption.RunAsync(() => around is null
            ? RunAsync(parsed, action == InstallAction.Create && parsed.GetValue(reinstall), cancel)
            : around(new InstallInputs
            {
                Parsed = parsed,
                Instance = parsed.GetValue(instance)!,
                State = parsed.GetValue(state)!,
                ForwardProgram = parsed.GetValue(forward),
                IsJson = parsed.GetValue(json),
                Signals = signals,
                Deadline = () => Longest(parsed, HostLimits.Load(limitsFile)),
                SecretsAsync = () => SecretsAsync(parsed.GetValue(secrets) ?? [], cancel),
                CreateAsync = isReinstall => RunAsync(parsed, isReinstall, cancel),
            }, cancel)));
        return command;
    }

    private static ImageCatalog? Catalog(HostLimits limits, string? asked)
    {
        var path = limits.ImagesOf(asked, ImageCatalog.UsualPath);
        return ImageCatalog.Load(path) ?? (asked is null && limits.Images is null ? null
            : throw new ChannelException(ChannelError.NotFound, ErrorClass.Refused, $"there is no catalogue of images {SafeText.Escape(path, 256)}"));
    }

    private static Uri Mirror(string text) => Uri.TryCreate(text, UriKind.Absolute, out var url) ? url
        : throw new ChannelException(ChannelError.BadConfiguration, ErrorClass.Refused, $"--mirror takes an http or https URL, not '{SafeText.Escape(text, 256)}'");

    private static System.Net.IPNetwork[] Networks(string[]? texts, string option) => [.. (texts ?? []).Select(text => Network(text, option))];

    private static System.Net.IPNetwork Network(string text, string option) => System.Net.IPNetwork.TryParse(text, out var network) ? network
        : throw new ChannelException(ChannelError.BadConfiguration, ErrorClass.Refused, $"{option} takes an address, a slash and the bits of the network, for instance 10.1.0.0/16, not '{SafeText.Escape(text, 64)}'");

    private static async Task<SecretParameters> SecretsAsync(string[] options, CancellationToken cancellationToken)
    {
        var result = new SecretParameters();
        try
        {
            foreach (var option in options)
            {
                var (name, source) = StateOption.Pair(option, "--secret");
                result.Add(name, await SecretSource.ReadAsync(source, cancellationToken));
            }

            return result;
        }
        catch
        {
            result.Dispose();
            throw;
        }
    }

    private static async Task<PackageCredentials?> CredentialsAsync(ParseResult parsed, Option<string> user, Option<string> password, CancellationToken cancellationToken) =>
        (parsed.GetValue(user), parsed.GetValue(password)) switch
        {
            (null, null) => null,
            ({ } name, { } place) => new PackageCredentials(name, await SecretSource.ReadAsync(place, cancellationToken)),
            _ => throw new ChannelException(ChannelError.BadConfiguration, ErrorClass.Refused, $"{user.Name} and {password.Name} go together"),
        };
}
