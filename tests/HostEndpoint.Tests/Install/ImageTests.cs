using System.Security.Cryptography;
using System.Text;
using ChannelSdk.Install.Definitions;
using ChannelSdk.Install.Events;
using ChannelSdk.Install.Images;
using ChannelSdk.Install.Operations;
using ChannelSdk.Install.Records;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Services;

namespace ChannelSdk.HostEndpoint.Tests.Install;

/// <summary>What the host does with an image before an appliance sees it.</summary>
[Trait(Lane.Name, Lane.Integration)]
public sealed class ImageTests : IDisposable
{
    // Of 512 times 'x', and of its line in a file of sums, by a key that was made for these tests.
    private const string Keyring = "mDMEZZIAgBYJKwYBBAHaRw8BAQdA7eUi6Q73/rMZpM18+kByNKYmKSvd+eWfnEYqzT6aF/20C2ltYWdlcyB0ZXN0iJAEExYIADgWIQR6ygL9ee/zO8Iure9VVV2fGf8YkgUCZZIAgAIbAwULCQgHAgYVCgkICwIEFgIDAQIeAQIXgAAKCRBVVV2fGf8YktzuAQDeuik5rEzPM9q3BSehu/pjVVVX/ZSD7kMffdTO8l1ZOgD8CHMc7SHcaAMc0ICQP7hhvS5ca8jhrF9HT8iRUYUChw4=";
    private const string Signature = "iHUEABYIAB0WIQR6ygL9ee/zO8Iure9VVV2fGf8YkgUCZZIAgAAKCRBVVV2fGf8YktfqAP99JUFB89mqfY8r3iwWsHT5jQ+c+FsewQn0Ftwu2IY5kwD/aHRldVrH7kiz+PYfBwLwKoigzas7RBj/Ea1HodVMLgw=";
    private const string SumsSignature = "iHUEABYIAB0WIQR6ygL9ee/zO8Iure9VVV2fGf8YkgUCZZIAgAAKCRBVVV2fGf8YktmCAP9FM+3Kjd2l9iK7Bgk/Uyx3Wcv0AZtEGVI8E/zuX3JwMQD+M5Im+EEbEsbbG/mu+oWTTX7NFegLmix+wCP8wM0rXg8=";

    private static readonly byte[] s_content = Encoding.ASCII.GetBytes(new string('x', 512));
    private static readonly string s_sum = Convert.ToHexStringLower(SHA256.HashData(s_content));

    private readonly InstallRig _rig;
    private InstallRunRequest? _asked;
    private IReadOnlyList<InstallScript> _scripts = [];

    public ImageTests()
    {
        _rig = new InstallRig(script =>
        {
            (_asked, _scripts) = (script.Request, script.Scripts);
            return Task.FromResult(InstallRig.Well);
        });
        File.WriteAllBytes(Image, s_content);
    }

    private string Image => _rig.At("os.img");

    public void Dispose() => _rig.Dispose();

    private async Task<(InstallResult Result, List<InstallEvent> Events)> RunAsync(string image, ImageRules? options = null)
    {
        _rig.Records.Change("vm1", r => r with { OsDefinition = null, OsImage = image, ImageRules = options ?? new ImageRules() });
        return await _rig.RunAsync();
    }

    private ChannelException Refused(string image, ImageRules? options = null)
    {
        _rig.Records.Change("vm1", r => r with { OsDefinition = null, OsImage = image, ImageRules = options ?? new ImageRules() });
        var error = Assert.Throws<ChannelException>(() => _rig.Start());
        Assert.Empty(_rig.Open().List());
        return error;
    }

    private string Write(string name, byte[] content)
    {
        File.WriteAllBytes(_rig.At(name), content);
        return _rig.At(name);
    }

    private static string Serve(string content) => HeadServer.Ok(content);

    private string Variable(string name) =>
        _asked!.Environment.Select(v => v.ToStringUtf8()).Single(v => v.StartsWith(name + "=", StringComparison.Ordinal))[(name.Length + 1)..];

    [Fact]
    public async Task A_file_is_given_to_the_appliance_as_it_is_with_the_scripts_that_write_it()
    {
        await File.WriteAllBytesAsync(Image, s_content[..511]);
        var (result, events) = await RunAsync(Image, new ImageRules { Format = ImageFormat.Raw });
        Assert.Equal("", result.Reason);
        Assert.Equal(s_content[..511], Assert.Single(_rig.Appliance!.Media));
        Assert.Equal(("/dev/vdb", "511", "raw", "0", ""), (Variable("IMAGE_PATH"), Variable("IMAGE_BYTES"), Variable("IMAGE_FORMAT"), Variable("IMAGE_MIN_DISK"), Variable("IMAGE_HAS_PACKAGE")));
        Assert.Equal(("image", "1", "/dev/vda"), (Variable("INSTANCE_OS"), Variable("DISK_COUNT"), Variable("DISK_0_PATH")));
        Assert.Equal(["bootloader=auto", "grow=yes", "kernel_options="], _asked!.Parameters.Select(p => $"{p.Name}={p.Value.ToStringUtf8()}").Order());
        Assert.Equal(["common", "create", "detect", "grow", "mount", "tree", "write"], _scripts.Select(s => s.Name));
        Assert.Equal([InstallPhase.Preparing, InstallPhase.Fetching, InstallPhase.Booting, InstallPhase.Running, InstallPhase.CleaningUp, InstallPhase.Ended], events.OfType<PhaseEvent>().Select(e => e.Phase));
    }

    [Fact]
    public async Task A_right_sum_is_told_and_a_wrong_one_ends_the_operation_before_an_appliance_is_launched()
    {
        var (result, events) = await RunAsync(Image, new ImageRules { Sha256 = s_sum.ToUpperInvariant() });
        Assert.Equal("", result.Reason);
        Assert.Contains(events, e => e is ImageReadEvent { Bytes: 512, Total: 512 } read && read.Sha256 == s_sum);
        var wrong = (await RunAsync(Image, new ImageRules { Sha256 = new string('0', 64) })).Result;
        Assert.Equal(InstallOutcome.Failed, wrong.Outcome);
        Assert.Equal($"the image {Image} is another than was asked for: its SHA-256 is {s_sum}, not {new string('0', 64)}", wrong.Reason);
        Assert.Equal(1, _rig.Appliance!.Launches);
    }

    [Fact]
    public async Task A_file_that_others_can_change_is_copied_before_it_is_checked_and_the_copy_goes_with_the_operation()
    {
        File.SetUnixFileMode(Image, File.GetUnixFileMode(Image) | UnixFileMode.OtherWrite);
        await File.WriteAllBytesAsync(Image, s_content[..100]);
        var (result, _) = await RunAsync(Image, new ImageRules { Sha256 = Convert.ToHexStringLower(SHA256.HashData(s_content[..100])) });
        Assert.Equal("", result.Reason);
        // A disk has whole sectors; the script is told what is the image's.
        Assert.Equal([.. s_content[..100], .. new byte[412]], Assert.Single(_rig.Appliance!.Media));
        Assert.Equal("100", Variable("IMAGE_BYTES"));
        Assert.DoesNotContain(_rig.Files(), f => f.Path.Contains("/operations/", StringComparison.Ordinal) && f.Path.Contains("/image/", StringComparison.Ordinal));
    }

    [Fact]
    public async Task An_image_is_fetched_with_holes_where_it_has_zeros()
    {
        var content = new byte[4 << 20];
        content[^1] = 1;
        using var server = new HeadServer(async (_, stream) =>
        {
            await stream.WriteAsync(Encoding.ASCII.GetBytes($"HTTP/1.1 200 OK\r\nContent-Length: {content.Length}\r\n\r\n"));
            await stream.WriteAsync(content);
        });
        var (result, events) = await RunAsync($"{server.Url}/os.img", new ImageRules { Sha256 = Convert.ToHexStringLower(SHA256.HashData(content)) });
        Assert.Equal("", result.Reason);
        Assert.Equal(content, Assert.Single(_rig.Appliance!.Media));
        Assert.Equal((long)content.Length, events.OfType<ImageReadEvent>().Last().Bytes);
    }

    [Fact]
    public async Task A_server_that_cuts_sends_too_much_or_is_an_inner_one_is_told()
    {
        using var cut = new HeadServer(_ => "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nxyz");
        Assert.Equal($"the OS image {cut.Url}/x was cut after 3 of 1000 bytes", (await RunAsync($"{cut.Url}/x", new ImageRules { IsUnverified = true })).Result.Reason);
        _rig.Change = options => options with { ImageBytes = 1 << 20 };
        using var said = new HeadServer(_ => $"HTTP/1.1 200 OK\r\nContent-Length: {(1 << 20) + 1}\r\n\r\n");
        using var unsaid = new HeadServer(_ => $"HTTP/1.1 200 OK\r\n\r\n{new string('x', (1 << 20) + 1)}");
        foreach (var url in (string[])[said.Url, unsaid.Url])
        {
            Assert.Equal($"the image {url}/x has more than 1048576 bytes, the most that this host fetches", (await RunAsync($"{url}/x", new ImageRules { IsUnverified = true })).Result.Reason);
        }

        using var empty = new HeadServer(_ => Serve(""));
        Assert.Equal($"the image {empty.Url}/x is empty", (await RunAsync($"{empty.Url}/x", new ImageRules { IsUnverified = true })).Result.Reason);
        _rig.Networks = [];
        using var inner = new HeadServer(_ => Serve("x"));
        Assert.Contains("of the OS image is at 127.0.0.1, an inner address", (await RunAsync($"{inner.Url}/x", new ImageRules { IsUnverified = true })).Result.Reason);
        Assert.Empty(inner.Requests);
        Assert.Equal(0, _rig.Appliance!.Launches);
    }

    [Theory]
    [InlineData("http://images.example/os.img", "comes by http, where anyone on the way can change it")]
    [InlineData("http://anna:PASSWORD@images.example/os.img", "it has a user or password in it")]
    [InlineData("ftp://images.example/os.img", "it must be an absolute URL that begins with http:// or https://")]
    [InlineData("os.img", "is no image that can be installed")]
    [InlineData("/nonexistent/os.img", "there is no image /nonexistent/os.img")]
    [InlineData("image:debian", "and there is none")]
    public void What_cannot_be_an_image_is_told_before_the_operation(string image, string said) => Assert.Contains(said, Refused(image).Message);

    [Fact]
    public void An_image_is_refused_without_a_disk_for_other_actions_and_with_parameters_that_it_does_not_take()
    {
        _rig.Records.Change("vm1", r => r with { OsDefinition = null, OsImage = Image });
        Assert.Contains("that needs a disk to be written to", Assert.Throws<ChannelException>(() => _rig.Start(r => r with { Disks = [] })).Message);
        Assert.Contains("export is done by the scripts of an OS definition", Assert.Throws<ChannelException>(() => _rig.Start(r => r with { Action = InstallAction.Export })).Message);
        _rig.Records.Change("vm1", r => r.With("hostname", Metadata.Model.OsParameter.Public("x")));
        Assert.Contains("it has no parameter hostname; known are bootloader, grow, kernel_options", Refused(Image).Message);
    }

    [Fact]
    public async Task A_launcher_that_attaches_no_media_cannot_install_an_image()
    {
        _rig.Appliance = new FakeAppliance(_ => Task.FromResult(InstallRig.Well)) { AttachesMedia = false };
        Assert.Contains("attaches nothing but an instance's disks", (await RunAsync(Image)).Result.Reason);
    }

    [Fact]
    public async Task The_sum_may_be_in_a_file_of_sums_which_may_be_signed()
    {
        var sums = Write("SHA256SUMS", Encoding.ASCII.GetBytes($"{s_sum}  os.img\n"));
        var options = new ImageRules { Sums = sums };
        Assert.Equal("", (await RunAsync(Image, options)).Result.Reason);
        options = options with { Signature = Write("SHA256SUMS.sig", Convert.FromBase64String(SumsSignature)), Keyring = Write("keys.gpg", Convert.FromBase64String(Keyring)) };
        Assert.Equal("", (await RunAsync(Image, options)).Result.Reason);
        Write("SHA256SUMS", Encoding.ASCII.GetBytes($"{s_sum}  os.img\n{s_sum}  more.img\n"));
        Assert.Contains("is not good by the keys of", (await RunAsync(Image, options)).Result.Reason);
        Write("SHA256SUMS", Encoding.ASCII.GetBytes($"{new string('0', 64)} *os.img\nSHA256 (other.img) = {s_sum}\n"));
        Assert.Contains("is another than was asked for", (await RunAsync(Image, new ImageRules { Sums = sums })).Result.Reason);
        Assert.Contains("is not the one in", (await RunAsync(Image, new ImageRules { Sums = sums, Sha256 = s_sum })).Result.Reason);
        Write("SHA256SUMS", Encoding.ASCII.GetBytes($"{s_sum}  other.img\n"));
        Assert.Contains("has no SHA-256 of os.img", (await RunAsync(Image, new ImageRules { Sums = sums })).Result.Reason);
    }

    [Fact]
    public async Task An_image_that_is_not_signed_by_a_key_of_the_keyring_is_refused()
    {
        var options = new ImageRules { Signature = Write("os.sig", Convert.FromBase64String(Signature)), Keyring = Write("keys.gpg", Convert.FromBase64String(Keyring)) };
        Assert.Equal("", (await RunAsync(Image, options)).Result.Reason);
        Write("os.img", [.. s_content[..511], (byte)'y']);
        Assert.Contains("BAD signature", (await RunAsync(Image, options)).Result.Reason);
        Write("os.img", s_content);
        Write("keys.gpg", []);
        Assert.Contains("is not good by the keys of", (await RunAsync(Image, options)).Result.Reason);
        Write("keys.gpg", Convert.FromBase64String(Keyring));
        File.SetUnixFileMode(options.Keyring!, File.GetUnixFileMode(options.Keyring!) | UnixFileMode.OtherWrite);
        Assert.Contains("everybody may write it, and it says whose images are installed", (await RunAsync(Image, options)).Result.Reason);
        Assert.Equal(1, _rig.Appliance!.Launches);
    }
}
