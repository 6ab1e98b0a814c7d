using System.Text;
using ChannelSdk.Install.Images;
using ChannelSdk.Install.Operations;
using ChannelSdk.Install.Records;
using ChannelSdk.Metadata.Model;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.HostEndpoint.Tests.Install;

/// <summary>The images of a host by their names.</summary>
[Trait(Lane.Name, Lane.Integration)]
public sealed class ImageCatalogTests : IDisposable
{
    private readonly InstallRig _rig = new(_ => Task.FromResult(InstallRig.Well));

    public void Dispose() => _rig.Dispose();

    private string Text => $"""
        # of this host
        [[image]]
        name = "debian"
        file = "{_rig.At("os.img")}"
        sha256 = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"
        format = "raw"
        min_disk = 4
        min_memory = 512
        parameters = ["grow"]
        notes = "as its makers publish it"

        [[image]]
        name = "other"
        url = "https://images.example/other.qcow2"
        """;

    private async Task<InstallResult> RunAsync(Func<InstanceRecord, InstanceRecord>? change = null)
    {
        await File.WriteAllTextAsync(_rig.At("os.img"), "x");
        using (var disk = File.OpenWrite(_rig.Disk))
        {
            disk.SetLength(4 << 20);
        }

        _rig.Change = options => options with { Images = ImageCatalog.Parse(Encoding.UTF8.GetBytes(Text), "images.toml") };
        var record = new InstanceRecord { Name = "vm1", Mode = ExecutionMode.Install, OsImage = "image:debian" };
        _rig.Records.Put(change?.Invoke(record) ?? record);
        return (await _rig.RunAsync()).Result;
    }

    [Fact]
    public async Task An_image_is_installed_by_its_name_as_the_catalogue_says()
    {
        Assert.Equal("", (await RunAsync()).Reason);
        Assert.Equal("x"u8, Assert.Single(_rig.Appliance!.Media));
    }

    [Fact]
    public async Task What_an_image_needs_is_told_before_the_operation()
    {
        async Task<string> RefusalAsync(Func<InstanceRecord, InstanceRecord> change) => (await Assert.ThrowsAsync<ChannelException>(() => RunAsync(change))).Message;
        Assert.Contains("there is no image debain in images.toml; did you mean debian? known are debian, other", await RefusalAsync(r => r with { OsImage = "image:debain" }));
        Assert.Contains("needs 512 MiB of memory, and vm1 has 256 (maxmem)", await RefusalAsync(r => r with { BackendParameters = new Dictionary<string, string> { ["maxmem"] = "256" } }));
        Assert.Contains("the record of vm1 says it too", await RefusalAsync(r => r with { ImageRules = new ImageRules { IsUnverified = true } }));
        Assert.Contains("it has no parameter bootloader; known are grow", await RefusalAsync(r => r.With("bootloader", OsParameter.Public("none"))));
        _rig.Records.Change("vm1", r => r.Without("bootloader"));
        File.WriteAllBytes(_rig.Disk, new byte[3 << 20]);
        Assert.Contains("needs a disk of 4 MiB, and", Assert.Throws<ChannelException>(() => _rig.Start()).Message);
        Assert.Equal(0, _rig.Appliance!.Launches);
    }

    [Fact]
    public void Other_images_can_be_forbidden()
    {
        File.WriteAllText(_rig.At("os.img"), "x");
        _rig.Change = options => options with { OnlyCatalogImages = true };
        _rig.Records.Change("vm1", r => r with { OsDefinition = null, OsImage = _rig.At("os.img") });
        Assert.Equal(ChannelError.PermissionDenied, Assert.Throws<ChannelException>(() => _rig.Start()).Code);
    }

    [Theory]
    [InlineData("[[image]]\nname = \"../x\"\nfile = \"/x\"", "images.toml:2: [[image]] name: \"../x\" is not allowed; allowed is 1 to 64 letters")]
    [InlineData("[[image]]\nname = \"a\"\nfile = \"x\"", "images.toml:3: [[image]] file: \"x\" is not allowed; allowed is the absolute path of a file")]
    [InlineData("[[image]]\nname = \"a\"\nurl = \"ftp://x/y\"", "images.toml:3: [[image]] url: the URL of the OS image: it must be")]
    [InlineData("[[image]]\nname = \"a\"\nfile = \"/x\"\nurl = \"https://x/y\"", "images.toml:4: [[image]] url: an image has a file or a url, and not both")]
    [InlineData("[[image]]\nname = \"a\"\nfile = \"/x\"\nsha256 = \"12\"", "images.toml:4: [[image]] sha256: \"12\" is not allowed; allowed is 64 hexadecimal digits")]
    [InlineData("[[image]]\nname = \"a\"\nfile = \"/x\"\nsignature = \"/y\"", "images.toml:1: [[image]]: the signature of an image and the keyring that it is checked with go together")]
    [InlineData("[[image]]\nname = \"a\"\nfile = \"/x\"\nformat = \"QCOW2\"", "images.toml:4: [[image]] format: \"QCOW2\" is not allowed; allowed is \"auto\", \"raw\", \"qcow2\"")]
    [InlineData("[[image]]\nname = \"a\"\nfile = \"/x\"\nmin_disk = 0", "images.toml:4: [[image]] min_disk: 0 is not allowed")]
    [InlineData("[[image]]\nname = \"a\"\nfile = \"/x\"\nparameters = [\"root\"]", "images.toml:4: [[image]] parameters: 'root' is no parameter of an image; known are bootloader, grow, kernel_options")]
    [InlineData("[[image]]\nname = \"a\"", "images.toml:1: [[image]]: it has neither a file nor a url")]
    [InlineData("[[image]]\nfile = \"/a\"", "images.toml:1: [[image]]: it has no name")]
    [InlineData("[[image]]\nname = \"a\"\nfile = \"/x\"\n[[image]]\nname = \"a\"", "images.toml:5: [[image]] name: there is an image a already")]
    [InlineData("[image]\nname = \"a\"", "images.toml:1: write [[image]] with two brackets")]
    public void A_mistake_is_told_with_its_line(string content, string said) =>
        Assert.Contains(said, Assert.Throws<ChannelException>(() => ImageCatalog.Parse(Encoding.UTF8.GetBytes(content), "images.toml")).Message);

    [Fact]
    public async Task The_tool_takes_the_catalogue_and_refuses_another_than_the_administrators()
    {
        await File.WriteAllTextAsync(_rig.At("images.toml"), Text);
        await File.WriteAllTextAsync(_rig.At("host.toml"), $"[install]\nimages = \"{_rig.At("images.toml")}\"\nforbid = [\"other_images\"]\n");
        async Task<(int Code, string Out, string Error)> CreateAsync(string image, params string[] options)
        {
            Assert.Equal(0, (await ToolRun.RunAsync(TimeSpan.FromSeconds(60), "instance", "set", "vm1", "--os-image", image, "--state", _rig.State)).Code);
            return await ToolRun.RunLimitedAsync(TimeSpan.FromSeconds(60), _rig.At("host.toml"), ["install", "create", "vm1", "--state", _rig.State, "--disk", _rig.Disk, .. options]);
        }

        Assert.Contains("there is no image none in", (await CreateAsync("image:none")).Error);
        Assert.Contains("allows the images of its catalogue only", (await CreateAsync(_rig.Disk)).Error);
        Assert.Contains("host.toml:2: no other catalogue of images than", (await CreateAsync("image:debian", "--images", "/x")).Error);
        File.Delete(_rig.At("images.toml"));
        Assert.Contains("there is no catalogue of images", (await CreateAsync("image:debian")).Error);
    }

    [Fact]
    public async Task The_tool_keeps_how_an_image_is_checked_until_another_is_named()
    {
        async Task<InstanceRecord> SetAsync(params string[] options)
        {
            Assert.Equal((0, ""), await ToolRun.RunAsync(TimeSpan.FromSeconds(60), ["instance", "set", "vm1", "--state", _rig.State, .. options]) is var run ? (run.Code, run.Error) : default);
            return _rig.Records.Get("vm1");
        }

        var sum = new string('a', 64);
        var record = await SetAsync("--os-image", "os.img", "--image-sha256", sum, "--image-format", "qcow2");
        Assert.Equal((Path.GetFullPath("os.img"), null, new ImageRules { Sha256 = sum, Format = ImageFormat.Qcow2 }), (record.OsImage, record.OsDefinition, record.ImageRules));
        record = await SetAsync("--image-signature", "os.sig", "--image-keyring", "/keys.gpg");
        Assert.Equal(new ImageRules { Sha256 = sum, Format = ImageFormat.Qcow2, Signature = Path.GetFullPath("os.sig"), Keyring = "/keys.gpg" }, record.ImageRules);
        record = await SetAsync("--os-image", "https://images.example/x.img");
        Assert.Equal(("https://images.example/x.img", new ImageRules()), (record.OsImage, record.ImageRules));
        Assert.Equal(("os", null), await SetAsync("--os", "os") is var other ? (other.OsDefinition, other.OsImage) : default);
    }
}
